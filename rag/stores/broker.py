"""The embedded broker: a Valkey or Redis server, run as a child of ``aegis up``.

It listens on a unix socket that only its owner may open, and on no port. It appends every
write to a log in ``AEGIS_HOME/redis`` and syncs that once a second: a crash of the server
loses nothing, a power cut the last second. It never evicts, and refuses writes beyond its memory.
"""

from rag.folders import private_folder
from rag.settings import Settings
from rag.stores.broker_binary import choose_server


def command(settings: Settings) -> list[str]:
    """The server's argv, its folders made; SIGTERM stops it in order.

    Its own log is ``AEGIS_HOME/redis/valkey.log``, since it warns at every start of kernel
    settings that do not matter here. One server a home: two would spoil each other's data.
    Raises ConfigurationError where there is no server that may be run.
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
        str(choose_server(folder, settings.broker_binary)),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]
