"""What a ``REDIS_URL`` says: which server, who asks, and how the connection is secured.

Five forms, each with parameters after a ``?``::

    redis://user:password@host:6379/0
    rediss://user:password@host:6379/0                       with TLS
    unix:///path/to/redis.sock?db=0
    sentinel://user:password@one:26379,two:26379/NAME?db=0   the primary that the Sentinels call NAME
    sentinels://user:password@one:26379,two:26379/NAME       the same with TLS, to Sentinels and server

Characters of a password that a URL gives a meaning of its own are percent-encoded.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

SCHEMES = ("redis", "rediss", "unix", "sentinel", "sentinels")
TLS_SCHEMES, _SENTINEL_SCHEMES = ("rediss", "sentinels"), ("sentinel", "sentinels")
_SERVER_PORT, _SENTINEL_PORT = 6379, 26379

_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS = (*_FILES, "ssl_cert_reqs", "ssl_check_hostname")
_SENTINEL = ("sentinel_username", "sentinel_password")
_CHECKS = {name: name for name in ("required", "optional", "none")} | {
    f"CERT_{name.upper()}": name for name in ("required", "optional", "none")
}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Login:
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """``nodes``: (host, port) of the server, or of each Sentinel; () with a ``socket``.

    ``master``: what the Sentinels call the server, whose login ``login`` is. ``tls``: redis-py's
    ``ssl_*`` arguments, None without TLS.
    """

    nodes: tuple[tuple[str, int], ...] = ()
    socket: str | None = None
    database: int = 0
    login: Login = Login()
    tls: Mapping[str, Any] | None = None
    master: str | None = None
    sentinel_login: Login = Login()

    @classmethod
    def of(cls, url: str) -> "RedisAddress":
        """Read from a ``REDIS_URL``. ValueError with what to change, which quotes no password."""
        parts = _split(url)
        given = _parameters(parts)
        password = given.get("password", parts.password)
        login = Login(_plain(parts.username), _plain(password))
        if parts.scheme == "unix":
            return cls(socket=_path(parts), database=_number(given.get("db", "0")), login=login)
        tls = _tls(given) if parts.scheme in TLS_SCHEMES else None
        if parts.scheme in _SENTINEL_SCHEMES:
            return cls(
                nodes=_nodes(parts, _SENTINEL_PORT),
                database=_number(given.get("db", "0")),
                login=login,
                tls=tls,
                master=_master(parts),
                sentinel_login=Login(*(given.get(name) for name in _SENTINEL)),
            )
        database = _number(given.get("db") or unquote(parts.path).strip("/") or "0")
        return cls(nodes=_nodes(parts, _SERVER_PORT)[:1], database=database, login=login, tls=tls)


def trusting(url: str, authorities: Path) -> str:
    """``url`` with the certificates in the PEM file ``authorities`` to trust, unless it names others."""
    if "ssl_ca_certs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_ca_certs={quote(str(authorities))}"


def check_files(tls: Mapping[str, Any]) -> None:
    """OSError unless the files that ``ssl_*`` arguments name hold certificates and keys."""
    context = ssl.create_default_context(cafile=tls.get("ssl_ca_certs"))
    if certificate := tls.get("ssl_certfile"):
        context.load_cert_chain(certificate, tls.get("ssl_keyfile"))


def _split(url: str) -> SplitResult:
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{name}://' for name in SCHEMES)}")
    parts = urlsplit(url)
    if parts.fragment or "@" in parts.path + parts.query:
        raise ValueError("has a # / ? or @ in its password, to be written %23 %2F %3F %40")
    return parts


def _plain(quoted: str | None) -> str | None:
    return unquote(quoted) if quoted else None


def _parameters(parts: SplitResult) -> dict[str, str]:
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = ["db"]
    known += ["password"] if parts.scheme == "unix" else []
    known += _TLS if parts.scheme in TLS_SCHEMES else ()
    known += _SENTINEL if parts.scheme in _SENTINEL_SCHEMES else ()
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{parts.scheme}:// has no parameter {', '.join(unknown)}, only {', '.join(known)}")
    return given


def _path(parts: SplitResult) -> str:
    if not parts.path:
        raise ValueError("names no socket: unix:///path/to/redis.sock")
    return unquote(parts.path)


def _nodes(parts: SplitResult, port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_node(place, port) for place in parts.netloc.rpartition("@")[2].split(","))


def _node(place: str, port: int) -> tuple[str, int]:
    try:
        node = urlsplit(f"//{place.strip()}")
        host, number = node.hostname, node.port or port
    except ValueError:
        raise ValueError("has a host whose port is no number from 1 to 65535") from None
    if not host:
        raise ValueError("names no host, such as redis://host:6379/0")
    return unquote(host), number


def _master(parts: SplitResult) -> str:
    name = unquote(parts.path).strip("/")
    if not name or "/" in name:
        raise ValueError("names no primary: sentinel://host:26379,host:26379/NAME")
    return name


def _number(word: str) -> int:
    if not word.isdecimal():
        raise ValueError("has a database that is no number, such as redis://host:6379/0")
    return int(word)


def _tls(given: Mapping[str, str]) -> dict[str, Any]:
    checks = _CHECKS.get(given.get("ssl_cert_reqs", "required"))
    if checks is None:
        raise ValueError("ssl_cert_reqs must be one of required, optional, none")
    named = _WORDS.get(given.get("ssl_check_hostname", "true").lower())
    if named is None:
        raise ValueError("ssl_check_hostname must be true or false")
    files = {name: given[name] for name in _FILES if given.get(name)}
    return {**files, "ssl_cert_reqs": checks, "ssl_check_hostname": named and checks == "required"}
