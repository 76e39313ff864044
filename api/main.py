"""The HTTP application. ``python -m api.server`` starts it from the environment."""

import asyncio
import logging
import os
import shutil
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from socket import gethostname
from types import FrameType

import anyio.to_thread
import psutil
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from uvicorn.config import STARTUP_FAILURE

from api.calls.parts import Parts, build
from api.description import add_description
from api.http import problems
from api.http.proxies import Forwarded, networks
from api.http.routing import add_methods, known_parameters
from api.middleware import Observer, OriginGuard, Trace
from api.routes import (
    audit,
    backups,
    batches,
    collections,
    contents,
    dead_letters,
    documents,
    events,
    health,
    jobs,
    keys,
    lanes,
    queries,
)
from api.routes.audit import Audit
from api.routes.coalescing import Coalesced
from api.routes.pages import add_console, add_docs
from rag.access.origins import OriginPolicy
from rag.backups.startup_check import check_blobs
from rag.errors import Unavailable
from rag.naming import release
from rag.redis.audit import AuditWriter
from rag.settings import Settings, load
from rag.startup import log_as, require_closed_api, shield, starting
from rag.telemetry import tracing
from tasks.submit.submissions import prepare

DESCRIPTION = (
    "Documents in, cited answers out. A submit is answered with 202 at once; its job is then "
    "polled, long-polled, or followed as server-sent events."
)

_CORS_SENT = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "If-Range", "Last-Event-ID",
    "Prefer", "Range", "Traceparent", "X-Request-ID",
)  # fmt: skip
_CORS_READ = (
    "Content-Disposition", "Content-Range", "ETag", "Location", "Preference-Applied", "Idempotency-Replayed",
    "Retry-After", "X-Request-ID",
)  # fmt: skip

log = logging.getLogger(__name__)


_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def app_factory() -> FastAPI:
    """The application from the environment; exits with a line for each wrong setting and each risk."""
    with starting("the API", status=STARTUP_FAILURE):
        settings = load()
        require_closed_api(settings)
        log_as("api", settings, trace_id=tracing.current_trace_id)
        shield(settings)
        prepare(settings)
        if settings.api_processes > 1:
            _share_metrics(settings.run_dir)
        parts = build(settings)
        try:
            parts.broker.require_safe()
        except Unavailable as error:
            # It may start later; until then the API answers 503.
            log.warning("the broker does not answer yet: %s", error)
        check_blobs(settings)
    parts.publisher.prove()
    return create_app(settings, parts)


def create_app(settings: Settings, parts: Parts) -> FastAPI:
    """The application over the given parts."""
    app = FastAPI(
        openapi_url=None,  # add_description has a route of its own
        docs_url=None,
        redoc_url=None,
        telemetry={
            "auto_configure": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "exclude": lambda scope: not scope["path"].startswith("/v1/"),
        },
        title="Aegis RAG",
        description=DESCRIPTION,
        version=release(),
        lifespan=_lifespan,
        redirect_slashes=False,  # a redirect's address would come from the Host header, which is not trusted
    )
    app.state.parts = parts
    app.state.components = Coalesced(lambda: health.components_of(parts))
    app.state.lanes = Coalesced(lambda: lanes.lanes_of(parts))
    problems.install(app)
    # The routes themselves rather than included routers: those cost 0.1 to 0.3 ms a request.
    for module in (
        queries,
        jobs,
        lanes,
        events,
        dead_letters,
        batches,
        contents,  # before documents, whose ids may hold slashes
        documents,
        collections,
        backups,
        keys,
        audit,
        health,
    ):
        app.router.routes.extend(module.router.routes)
    observe = _add_metrics(app, parts) if parts.calls is not None else None
    add_console(app)
    add_docs(app)
    add_description(app)
    app.state.parameters = known_parameters(app.router.routes)
    add_methods(app)
    _add_layers(app, settings, observe, parts.audit_writer)
    return app


def _add_metrics(app: FastAPI, parts: Parts) -> Observer:
    from api.metrics import page  # noqa: PLC0415 - loads prometheus-client: see api.metrics

    observe, router = page.metrics_of(parts)
    app.router.routes.extend(router.routes)
    return observe


def _add_layers(app: FastAPI, settings: Settings, observe: Observer | None, writer: AuditWriter) -> None:
    """Add the layers, from the innermost to the outermost."""
    policy = OriginPolicy.of(
        settings, anonymous=settings.anonymous, origins=settings.cors_origins, guarded="/v1/"
    )
    app.add_middleware(OriginGuard, policy=policy)
    app.add_middleware(Audit, writer=writer)  # around OriginGuard, since it records what that refuses
    app.add_middleware(Trace, observe=observe)
    if settings.cors_origins:
        app.add_middleware(  # around Trace, so that its errors have the CORS headers too
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=_CORS_SENT,
            expose_headers=_CORS_READ,
            max_age=3600,
        )
    if settings.trusted_proxies:
        app.add_middleware(Forwarded, trusted=networks(settings.trusted_proxies))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    end_spans = tracing.start(parts.settings, "aegis-api")
    # Only work takes a thread: long polls and event streams hold none while they wait.
    anyio.to_thread.current_default_thread_limiter().total_tokens = parts.settings.max_concurrent_requests
    tasks: set[asyncio.Task[None]] = set()

    def end_waits() -> None:
        parts.stopping.set()
        tasks.add(asyncio.create_task(parts.changes.close()))

    with on_stop_signal(end_waits):
        yield
    await asyncio.gather(parts.changes.close(), *tasks)
    parts.publisher.stop()
    end_spans()


@contextmanager
def on_stop_signal(tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` on the running loop at SIGTERM or SIGINT, before the server's own handler.

    The server waits for open requests before it ends. Long polls and event streams would hold it for their
    whole time and then be cut. Told at once, they end, and their clients come back to another process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals arrive in the main thread only
        return
    loop = asyncio.get_running_loop()
    servers_own = {number: signal.getsignal(number) for number in _STOP_SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        own = servers_own[signal.Signals(number)]
        if callable(own):
            own(number, frame)

    for number, own in servers_own.items():
        if callable(own):
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, own in servers_own.items():
            if callable(own):
                signal.signal(number, own)


def _share_metrics(run_dir: Path) -> None:
    """Make the folder where the API processes of this server put their figures.

    Folders of ended servers are removed, and gauges of ended processes of this one.
    """
    # With the host's name: hosts that share run_dir, as containers may, have process ids in common. With the
    # server's start: a container that is started again has the same ids as before.
    ours, server = f"metrics-{gethostname()}", os.getppid()
    folder = run_dir / f"{ours}-{int(psutil.Process(server).create_time())}-{server}"
    for other in run_dir.glob("metrics-*"):
        prefix, _, pid = other.name.rpartition("-")
        gone = not psutil.pid_exists(int(pid)) or int(pid) == server
        if prefix.rpartition("-")[0] == ours and gone and other != folder:
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for gauge in folder.glob("gauge_live*_*.db"):
        if not psutil.pid_exists(int(gauge.stem.rpartition("_")[2])):
            gauge.unlink(missing_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
