"""Parses a ``REDIS_URL``: the server, the login, and how the connection is secured.

It has five forms, each with parameters after a ``?``::

    redis://user:password@host:6379/0
    rediss://user:password@host:6379/0                       with TLS
    unix:///path/to/redis.sock?db=0
    sentinel://user:password@one:26379,two:26379/NAME?db=0   the primary that the Sentinels call NAME
    sentinels://user:password@one:26379,two:26379/NAME       the same with TLS, to Sentinels and server

Characters of a password that have a meaning in URLs are percent-encoded.
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
_VERIFY = {name: name for name in ("required", "optional", "none")} | {
    f"CERT_{name.upper()}": name for name in ("required", "optional", "none")
}
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Login:
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """``nodes``: (host, port) of the server, or of each Sentinel; () with a ``socket``.

    ``master``: the Sentinels' name of the primary. ``login`` is always for the data server itself.
    ``tls``: redis-py's ``ssl_*`` arguments, None without TLS.
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
        """Parse a ``REDIS_URL``. ValueError with what to change, which quotes no password."""
        parts, given = _parse(url)
        password = given.get("password", parts.password)
        login = Login(*(unquote(part) if part else None for part in (parts.username, password)))
        path = unquote(parts.path)
        if parts.scheme == "unix":
            if not path:
                raise ValueError("names no socket: unix:///path/to/redis.sock")
            return cls(socket=path, database=_database(given.get("db", "0")), login=login)
        tls = _tls_arguments(given) if parts.scheme in TLS_SCHEMES else None
        name = path.strip("/")
        if parts.scheme not in _SENTINEL_SCHEMES:
            database = _database(given.get("db") or name or "0")
            return cls(nodes=_nodes(parts, _SERVER_PORT)[:1], database=database, login=login, tls=tls)
        if not name or "/" in name:
            raise ValueError("names no primary: sentinel://host:26379,host:26379/NAME")
        return cls(
            nodes=_nodes(parts, _SENTINEL_PORT),
            database=_database(given.get("db", "0")),
            login=login,
            tls=tls,
            master=name,
            sentinel_login=Login(*(given.get(parameter) for parameter in _SENTINEL)),
        )


def trusting(url: str, authorities: Path) -> str:
    """``url`` that trusts the certificates in the PEM file ``authorities``, unless it names others."""
    if "ssl_ca_certs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_ca_certs={quote(str(authorities))}"


def check_files(tls: Mapping[str, Any]) -> None:
    """OSError unless the files that ``ssl_*`` arguments name hold certificates and keys."""
    context = ssl.create_default_context(cafile=tls.get("ssl_ca_certs"))
    if certificate := tls.get("ssl_certfile"):
        context.load_cert_chain(certificate, tls.get("ssl_keyfile"))


def _parse(url: str) -> tuple[SplitResult, dict[str, str]]:
    """The parts of ``url``, and its parameters."""
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise ValueError(f"must begin with one of {', '.join(f'{name}://' for name in SCHEMES)}")
    parts = urlsplit(url)
    if parts.fragment or "@" in parts.path + parts.query:
        raise ValueError("has a # / ? or @ in its password, to be written %23 %2F %3F %40")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = ["db"]
    known += ["password"] if scheme == "unix" else []
    known += _TLS if scheme in TLS_SCHEMES else ()
    known += _SENTINEL if scheme in _SENTINEL_SCHEMES else ()
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{scheme}:// has no parameter {', '.join(unknown)}, only {', '.join(known)}")
    return parts, given


def _nodes(parts: SplitResult, default_port: int) -> tuple[tuple[str, int], ...]:
    nodes = []
    for place in parts.netloc.rpartition("@")[2].split(","):
        try:
            node = urlsplit(f"//{place.strip()}")
            host, port = node.hostname, node.port or default_port
        except ValueError:
            raise ValueError("has a host whose port is no number from 1 to 65535") from None
        if not host:
            raise ValueError("names no host, such as redis://host:6379/0")
        nodes.append((unquote(host), port))
    return tuple(nodes)


def _database(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("has a database that is no number, such as redis://host:6379/0")
    return int(text)


def _tls_arguments(given: Mapping[str, str]) -> dict[str, Any]:
    verify = _VERIFY.get(given.get("ssl_cert_reqs", "required"))
    if verify is None:
        raise ValueError("ssl_cert_reqs must be one of required, optional, none")
    check_name = _BOOLEANS.get(given.get("ssl_check_hostname", "true").lower())
    if check_name is None:
        raise ValueError("ssl_check_hostname must be true or false")
    files = {name: given[name] for name in _FILES if given.get(name)}
    return {**files, "ssl_cert_reqs": verify, "ssl_check_hostname": check_name and verify == "required"}
