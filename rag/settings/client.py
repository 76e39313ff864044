"""The settings of a client: the API's address and a key.

They are read without pydantic, which takes longer to load than a command takes to run.
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rag.errors import ConfigurationError, translated
from rag.settings.secret_files import read_secret
from rag.system.folders import expanded
from rag.system.homes import stack_in, unnamed_home
from rag.web.addresses import http_url

CLIENT_VARIABLES = ("AEGIS_URL", "AEGIS_PROFILE", "AEGIS_API_KEY", "AEGIS_API_KEY_FILE")
"""Variables of clients alone. A client reads the local stack's API_HOST, API_PORT and API_KEY too."""

_DEFAULT_PORT = 8910
_MOST_BYTES = 1 << 20
_LINK = "tcp://"  # Kubernetes sets API_PORT to such a value when a service is named api
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_FIELDS = frozenset({"url", "key", "key_file"})
_SERVER_FILES = (".env", "aegis.toml")
"""Files of the current folder that may say where the local stack listens; AEGIS_CONFIG may name another."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """``source``: what named the address, such as ``--url`` or ``profile prod``.

    ``home``: the home folder of the stack, if it is one on this machine.
    """

    url: str
    source: str
    key: str | None = field(default=None, repr=False)
    home: Path | None = None

    @classmethod
    def of(cls, url: str | None = None, profile: str | None = None) -> "ClientSettings":
        """By the options ``--url`` and ``--profile``, else AEGIS_URL, AEGIS_PROFILE, else the local stack.

        The key is AEGIS_API_KEY, or the profile's; without a profile, API_KEY counts too. The key of a
        profile that an option names goes before AEGIS_API_KEY. A profile's key is sent to no other
        address. Raises ConfigurationError.
        """
        environment = os.environ
        if url and profile:
            raise ConfigurationError("--url and --profile both name an API: leave one of them out")
        named = profile or (None if url or environment.get("AEGIS_URL") else environment.get("AEGIS_PROFILE"))
        if named:
            chosen = Profile.named(named)
            key = _secret(environment, "AEGIS_API_KEY")
            key = (chosen.key or key) if profile else (key or chosen.key)
            return cls(chosen.url, f"profile {named}", _require_sendable(key))
        key = _secret(environment, "AEGIS_API_KEY")
        for source, address in (("--url", url), ("AEGIS_URL", environment.get("AEGIS_URL"))):
            if address:
                key = key or _secret(environment, "API_KEY")
                return cls(_checked_address(source, address), source, _require_sendable(key))
        return cls.local(environment, key)

    @classmethod
    def local(cls, environment: Mapping[str, str], key: str | None) -> "ClientSettings":
        """The stack on this machine. All its settings are read when files configure it."""
        if environment.get("AEGIS_CONFIG") or any(Path(name).exists() for name in _SERVER_FILES):
            from rag.settings import load  # noqa: PLC0415 - takes half a second

            # a path such as ~nobody/x raises RuntimeError
            with translated(
                {RuntimeError: ConfigurationError}, "AEGIS_HOME, or another folder of the settings"
            ):
                settings = load()
                home = settings.home
            key = key or (settings.api_key.get_secret_value() if settings.api_key else None)
            named = not settings.model_fields_set.isdisjoint({"api_host", "api_port"})
            host, port = settings.listen_host, settings.api_port
        else:
            key = key or _secret(environment, "API_KEY")
            host, text = environment.get("API_HOST", ""), environment.get("API_PORT", "")
            text = "" if text.startswith(_LINK) else text
            folder = environment.get("AEGIS_HOME")
            home = expanded(folder, "AEGIS_HOME: ").resolve() if folder else unnamed_home().path
            named = bool(host or text)
            host, port = host or "127.0.0.1", _port(text) if text else _DEFAULT_PORT
        stack = None if named else stack_in(home)
        url = stack.api if stack else http_url(host, port)
        return cls(url, "the stack on this machine", _require_sendable(key), home)


@dataclass(frozen=True, slots=True)
class Profile:
    """An API that the profiles file names."""

    url: str
    key: str | None = field(default=None, repr=False)

    @classmethod
    def named(cls, name: str) -> "Profile":
        """The profile of this name. ConfigurationError when it is missing or invalid, or others can read its key."""
        path = profiles_file()
        known = _read_profiles(path)
        fields = known.get(name)
        if not isinstance(fields, dict):
            there = ", ".join(sorted(known)) or "none"
            raise ConfigurationError(f"there is no profile {name!r} in {path}; there is {there}")
        where = f"{path}, profile {name}"
        if wrong := sorted(fields.keys() - _FIELDS):
            raise ConfigurationError(f"{where}: {wrong[0]!r} means nothing; there are key, key_file and url")
        if not all(isinstance(value, str) for value in fields.values()):
            raise ConfigurationError(f"{where}: url, key and key_file are texts in quotation marks")
        return cls(_checked_address(where, fields.get("url", "")), _profile_key(fields, path, where))


def profiles_file() -> Path:
    """The path of the profiles file, which need not exist."""
    folder = os.environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else expanded("~") / ".config") / "aegis" / "profiles.toml"


def _read_profiles(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigurationError(f"{path} is over {_MOST_BYTES >> 20} MB, so it holds no profiles")
        return tomllib.loads(content.decode())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigurationError(f"{path} is no TOML: {error}") from None


def _profile_key(fields: Mapping[str, str], path: Path, where: str) -> str | None:
    if "key" in fields and "key_file" in fields:
        raise ConfigurationError(f"{where}: key and key_file are both set: leave one of them out")
    if "key_file" in fields:
        path = expanded(fields["key_file"], f"{where}: key_file: ")
    elif "key" not in fields:
        return None
    if path.exists() and path.stat().st_mode & _OTHERS:
        raise ConfigurationError(f"{path} holds a key and others may read it: chmod 600 {path}")
    return fields.get("key") or read_secret(f"{where}: key_file", path)


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    """The variable's value, or the content of the file that ``NAME_FILE`` names. ConfigurationError for both."""
    value, path = environment.get(name), environment.get(f"{name}_FILE")
    if value and path:
        raise ConfigurationError(f"{name} and {name}_FILE are both set: leave one of them out")
    return read_secret(f"{name}_FILE", Path(path)) if path else value or None


def _require_sendable(key: str | None) -> str | None:
    """``key``. ConfigurationError, which does not quote it, when no header can carry it."""
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigurationError("the API key has a character that no key has, such as a space")
    return key


def _checked_address(source: str, url: str) -> str:
    """``url`` without a slash at its end. ConfigurationError when it cannot be an API's address."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        usable = (
            parts.scheme in ("http", "https")
            and host
            and url.isprintable()
            and " " not in url
            and parts.port != 0
        )
    except ValueError:  # the port or the host's name is invalid
        usable = False
    if not usable:
        raise ConfigurationError(f"{source}: {url!r} is no address such as https://rag.example.com")
    if parts.username or parts.password:
        raise ConfigurationError(
            f"{source}: a key goes into AEGIS_API_KEY or a profile, not into the address"
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{source}: an API's address has nothing behind its path")
    return url.rstrip("/")


def _port(text: str) -> int:
    if text.isdecimal() and text.isascii() and 0 < int(text[:6]) < 65536:
        return int(text)
    raise ConfigurationError(f"API_PORT: {text!r} is no port, which is a number from 1 to 65535")
