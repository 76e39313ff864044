"""``python -m api.server``: the API's processes, as the settings have them.

uvicorn's command line could name a protocol, but neither give it its bounds nor leave
``X-Forwarded-For`` to ``TRUSTED_PROXIES``.
"""

import logging
import resource
from argparse import ArgumentParser
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from api.connections import Bounds, Connections
from api.protocol import BoundedProtocol
from api.proxies import networks
from rag.exposure import require_closed_api
from rag.settings import Settings, load
from rag.starting import log_as, starting

GRACEFUL_SECONDS = 5
_SLOW_START_SECONDS = 30  # of a process on a busy machine: at its default of 5, uvicorn ends it
_OTHER_FILES = 512  # one a connection, one for its body, and these

log = logging.getLogger(__name__)


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


def affordable(wished: int) -> int:
    """How many of ``wished`` connections there are files for, once the limit is raised as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * wished + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = wished if soft == resource.RLIM_INFINITY else max(1, (soft - _OTHER_FILES) // 2)
    if allowed < wished:
        log.warning(
            "MAX_CONNECTIONS is %d, and a process may open %d files: %d connections are held open",
            wished, soft, allowed,
        )  # fmt: skip
    return min(wished, allowed)


def main(factory: str = "api.main:app_factory") -> None:
    """Serve what ``factory`` makes until told to stop. Leaves with a line for each wrong setting and risk."""
    with starting("the API", status=STARTUP_FAILURE):
        settings = load()
        require_closed_api(settings)
        log_as("api", settings)
    bounds = bounds_of(settings)
    bounds = replace(bounds, connections=affordable(bounds.connections))
    uvicorn.run(
        factory,
        factory=True,
        log_config=None,  # ours is there
        host=settings.listen_host,
        port=settings.api_port,
        workers=settings.api_processes,
        loop="uvloop",
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        timeout_worker_healthcheck=_SLOW_START_SECONDS,
        **options(settings, bounds),
    )


if __name__ == "__main__":
    ArgumentParser(
        "python -m api.server", epilog="What it takes are settings: API_HOST, API_PORT …"
    ).parse_args()
    main()
