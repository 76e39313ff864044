"""``python -m api.server``: the API's processes, as the settings have them.

uvicorn's command line could name a protocol, but neither give it its bounds nor leave
``X-Forwarded-For`` to ``TRUSTED_PROXIES``.
"""

import resource
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from api.connections import Bounds, Connections
from api.protocol import BoundedProtocol
from api.proxies import networks
from rag.settings import Settings, load
from rag.starting import starting

GRACEFUL_SECONDS = 5
_SLOW_START_SECONDS = 30  # of a process on a busy machine: at its default of 5, uvicorn ends it
_FILES_BESIDE_CONNECTIONS = 512


def options(settings: Settings, bounds: Bounds | None = None) -> dict[str, Any]:
    """What uvicorn is told about connections and requests. ``bounds`` None: those of the settings."""
    bounds = bounds or bounds_of(settings)
    return {
        "http": partial(BoundedProtocol, Connections(bounds)),
        "ws": "none",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "timeout_keep_alive": int(bounds.head_seconds),
        "log_level": settings.log_level.lower(),
    }


def bounds_of(settings: Settings) -> Bounds:
    return Bounds(connections=settings.max_connections, proxies=networks(settings.trusted_proxies))


def _allow_files(connections: int) -> None:
    """As many open files as that many connections and their bodies may take, where the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + _FILES_BESIDE_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def main() -> None:
    """Serve until told to stop. Leaves with a line for each wrong setting and each risk."""
    with starting("the API", status=STARTUP_FAILURE):
        settings = load()
    _allow_files(settings.max_connections)
    uvicorn.run(
        "api.main:app_factory",
        factory=True,
        host=settings.listen_host,
        port=settings.api_port,
        workers=settings.api_processes,
        loop="uvloop",
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        timeout_worker_healthcheck=_SLOW_START_SECONDS,
        **options(settings),
    )


if __name__ == "__main__":
    main()
