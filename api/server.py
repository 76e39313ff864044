"""``python -m api.server`` starts the API's processes as the settings say.

uvicorn's own command line could not set the limits of the protocol, and would read ``X-Forwarded-For``
whatever ``TRUSTED_PROXIES`` says.
"""

import logging
import resource
from argparse import ArgumentParser
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from api.http.connections import Bounds, Connections
from api.http.protocol import BoundedProtocol
from api.http.proxies import networks
from rag.settings import Settings, load
from rag.startup import log_as, require_closed_api, starting
from rag.telemetry import tracing

GRACEFUL_SECONDS = 5
_SLOW_START_SECONDS = 30  # uvicorn ends a process that takes longer; its 5 are too short on a busy machine
_OTHER_FILES = 512  # besides one for each connection and one for its body

log = logging.getLogger(__name__)


def options(settings: Settings, bounds: Bounds | None = None) -> dict[str, Any]:
    """uvicorn's options for connections and requests. ``bounds`` None: those of the settings."""
    bounds = bounds or bounds_of(settings)
    return {
        "http": partial(BoundedProtocol, Connections(bounds)),
        "ws": "none",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
        "timeout_keep_alive": settings.api_keep_alive,
        "log_level": settings.log_level.lower(),
    }


def bounds_of(settings: Settings) -> Bounds:
    return Bounds(connections=settings.max_connections, proxies=networks(settings.trusted_proxies))


def affordable(wished: int) -> int:
    """How many of ``wished`` connections the limit of open files allows; the limit is raised as needed."""
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
    """Serve what ``factory`` makes until told to stop. Exits with a line for each wrong setting and risk."""
    with starting("the API", status=STARTUP_FAILURE):
        settings = load()
        require_closed_api(settings)
        log_as("api", settings, trace_id=tracing.current_trace_id)
    bounds = bounds_of(settings)
    bounds = replace(bounds, connections=affordable(bounds.connections))
    uvicorn.run(
        factory,
        factory=True,
        log_config=None,  # log_as has set logging up
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
        "python -m api.server", epilog="It is configured by settings: API_HOST, API_PORT …"
    ).parse_args()
    main()
