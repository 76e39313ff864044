"""GET /metrics: every figure that this API knows."""

import os
from pathlib import Path

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client.registry import Collector

from api.calls.openapi import problem
from api.calls.parts import Parts
from api.http.routing import refuse_unknown
from api.metrics.backups import BackupCollector
from api.metrics.dependencies import DependencyCollector, DiskCollector
from api.metrics.families import StoreCollectors
from api.metrics.http import HttpMetrics, PublishingMetrics
from api.metrics.jobs import JobCollector
from api.metrics.queues import QueueCollector
from api.metrics.usage import CacheCollector, UsageCollector
from api.metrics.workers import LivenessCollector
from api.middleware import Observer
from api.routes.coalescing import Coalesced
from rag.telemetry.exposition import OPENMETRICS, asks_for_openmetrics, content_type, render
from tasks.submit.submissions import most_open


def metrics_of(parts: Parts) -> tuple[Observer, APIRouter]:
    """What counts requests, and the route. ``parts`` must have ``calls``."""
    if parts.calls is None:
        raise ValueError("nothing is measured")
    own = parts.calls.registry
    shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR") if parts.settings.api_processes > 1 else None
    parts.publisher.observe(PublishingMetrics(own).notice)
    http = HttpMetrics(own, exemplars=shared is None)
    from_broker = StoreCollectors(
        QueueCollector(parts.jobs, most_open(parts.settings)),
        JobCollector(parts.jobs),
        LivenessCollector(parts.heartbeats),
        DependencyCollector(parts),
        CacheCollector(parts.cache),
        UsageCollector(parts.usage),
        BackupCollector(parts.backup_status),
    )
    collectors: list[Collector] = [from_broker, DiskCollector(parts)]
    if shared is None:
        return http.observe, metrics_router(own, *collectors, shared=None)
    return http.observe, metrics_router(*collectors, shared=Path(shared))


def metrics_router(*collectors: Collector, shared: Path | None) -> APIRouter:
    """The route. ``shared``: the folder from which the figures of several API processes are summed up."""
    router = APIRouter(tags=["health"], dependencies=[Depends(refuse_unknown)], responses={422: problem(422)})
    pages = {
        form: Coalesced(lambda form=form: render(collectors, shared=shared, as_openmetrics=form))  # type: ignore[misc]
        for form in (False, True)
    }

    @router.get(
        "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}, OPENMETRICS: {}}}}
    )
    async def metrics(request: Request) -> Response:
        """Prometheus' text format, or OpenMetrics if `Accept` names it, collected a second ago at most."""
        form = asks_for_openmetrics(request.headers.get("accept", ""))
        return Response(await pages[form].get(), media_type=content_type(as_openmetrics=form))

    return router
