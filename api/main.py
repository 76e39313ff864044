"""The HTTP application. ``python -m api.server`` starts it from the environment."""

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from socket import gethostname

import anyio.to_thread
import psutil
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Scope
from uvicorn.config import STARTUP_FAILURE

from api import (
    audit,
    backups,
    collections,
    contents,
    dead_letters,
    documents,
    events,
    health,
    jobs,
    keys,
    multiplexed_events,
    problems,
    queries,
)
from api.audit import Audit
from api.collected import Collected
from api.methods import add_methods
from api.middleware import Observer, Trace
from api.openapi import add_description
from api.origins import OriginGuard
from api.pages import add_console, add_docs
from api.parameters import known_parameters
from api.parts import Parts, build
from api.proxies import Forwarded, networks
from api.stopping import told_to_stop
from rag import tracing
from rag.errors import Unavailable
from rag.exposure import require_closed_api
from rag.naming import release
from rag.origins import OriginPolicy
from rag.settings import Settings, load
from rag.starting import log_as, shield, starting
from rag.stores.audit import AuditWriter
from rag.stores.probing import check_blobs
from tasks.submit import most_open, prepare

DESCRIPTION = (
    "Documents in, cited answers out. A submit is answered with 202 at once; its job is then "
    "polled, long-polled, or followed as server-sent events."
)

log = logging.getLogger(__name__)


def app_factory() -> FastAPI:
    """The application as the environment has it; leaves with a line for each wrong setting and each risk."""
    with starting("the API", status=STARTUP_FAILURE):
        settings = load()
        require_closed_api(settings)
        log_as("api", settings)
        shield(settings)
        prepare(settings)
        parts = build(settings)
        _refuse_risks(parts)
        check_blobs(settings)
    if settings.api_processes > 1:
        _share_metrics(settings.run_dir)
    parts.publisher.prove()
    return create_app(settings, parts)


def _refuse_risks(parts: Parts) -> None:
    """ConfigurationError for a broker that could lose jobs. One that is away may come; meanwhile, 503."""
    try:
        parts.broker.require_safe()
    except Unavailable as error:
        log.warning("the broker does not answer yet: %s", error)


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
            "exclude": _untraced,
        },
        title="Aegis RAG",
        description=DESCRIPTION,
        version=release(),
        lifespan=_lifespan,
        redirect_slashes=False,  # where to is made from the Host header, which anybody writes
    )
    app.state.parts = parts
    app.state.components = Collected(lambda: health.components_of(parts))
    problems.install(app)
    # The routes themselves rather than included routers: those cost 0.1 to 0.3 ms a request.
    for router in (
        queries.router,
        jobs.router,
        events.router,
        multiplexed_events.router,
        dead_letters.router,
        contents.router,  # before documents, whose ids may hold slashes
        documents.router,
        collections.router,
        backups.router,
        keys.router,
        audit.router,
        health.router,
    ):
        app.router.routes.extend(router.routes)
    observe = _add_metrics(app, settings, parts) if settings.prometheus_metrics_enabled else None
    add_console(app)
    add_docs(app)
    add_description(app)
    app.state.parameters = known_parameters(app.router.routes)
    add_methods(app)
    _add_layers(app, settings, observe, parts.audit_writer)
    return app


def _untraced(scope: Scope) -> bool:
    return not scope["path"].startswith("/v1/")


def _add_metrics(app: FastAPI, settings: Settings, parts: Parts) -> Observer:
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see api.metrics

    from api.backup_metrics import BackupCollector  # noqa: PLC0415 - see api.metrics
    from api.metrics import (  # noqa: PLC0415 - see api.metrics
        CacheCollector,
        HttpMetrics,
        LivenessCollector,
        PublishingMetrics,
        QueueCollector,
        UsageCollector,
        metrics_router,
    )

    registry = CollectorRegistry()
    queue = QueueCollector(parts.jobs, most_open(settings))
    workers, cache = LivenessCollector(parts.heartbeats), CacheCollector(parts.cache)
    collectors = (queue, workers, cache, UsageCollector(parts.usage), BackupCollector(parts.standing))
    parts.publisher.observe(PublishingMetrics(registry).notice)
    router = metrics_router(registry, *collectors, several_processes=settings.api_processes > 1)
    app.router.routes.extend(router.routes)
    return HttpMetrics(registry).observe


def _add_layers(app: FastAPI, settings: Settings, observe: Observer | None, writer: AuditWriter) -> None:
    """The last one added is the outermost. Audit is around OriginGuard, to tell what that refuses.

    CORS is around Trace, so that errors carry its headers too.
    """
    app.add_middleware(OriginGuard, policy=_policy(settings))
    app.add_middleware(Audit, writer=writer)
    app.add_middleware(Trace, observe=observe)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "If-None-Match",
                "If-Range",
                "Last-Event-ID",
                "Prefer",
                "Range",
                "Traceparent",
                "X-Request-ID",
            ],
            expose_headers=[
                "Content-Disposition",
                "Content-Range",
                "ETag",
                "Location",
                "Preference-Applied",
                "Idempotency-Replayed",
                "Retry-After",
                "X-Request-ID",
            ],
            max_age=3600,
        )
    if settings.trusted_proxies:
        app.add_middleware(Forwarded, trusted=networks(settings.trusted_proxies))


def _policy(settings: Settings) -> OriginPolicy:
    return OriginPolicy.of(
        settings, anonymous=settings.anonymous, origins=settings.cors_origins, guarded="/v1/"
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Threads measure what is worked on: long polls and event streams hold none while they wait."""
    parts: Parts = app.state.parts
    end_spans = tracing.start(parts.settings, "aegis-api")
    anyio.to_thread.current_default_thread_limiter().total_tokens = parts.settings.max_concurrent_requests
    tasks: set[asyncio.Task[None]] = set()

    def end_waits() -> None:
        parts.stopping.set()
        tasks.add(asyncio.create_task(parts.changes.close()))

    with told_to_stop(end_waits):
        yield
    await asyncio.gather(parts.changes.close(), *tasks)
    end_spans()


def _share_metrics(run_dir: Path) -> None:
    """A folder where the API processes of one server put their figures; those of ended servers go.

    So does what an ended process of this server said of its state alone.
    Hosts that share ``run_dir``, as containers may, have process ids in common.
    """
    ours = f"metrics-{gethostname()}"
    for folder in run_dir.glob("metrics-*"):
        host, _, pid = folder.name.rpartition("-")
        if host == ours and not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)
    folder = run_dir / f"{ours}-{os.getppid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for gauge in folder.glob("gauge_live*_*.db"):
        if not psutil.pid_exists(int(gauge.stem.rpartition("_")[2])):
            gauge.unlink(missing_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
