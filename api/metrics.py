"""/metrics for Prometheus: what this API answered, what waits in the queues, and who works.

Imported late: with several API processes prometheus-client must find its shared folder in
the environment when it is first imported (see ``api.main``).
"""

import logging
from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from api.collected import Collected
from api.openapi import parameter_problems
from api.parameters import refuse_unknown
from rag.errors import Transient
from rag.model import JobKind, Stage
from rag.ports import Cache, JobStore
from rag.stores.heartbeats import Heartbeats
from rag.stores.usage import TokenUsage
from tasks.submit import LANES

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

log = logging.getLogger(__name__)


class HttpMetrics:
    """Counts and times requests by method, route and status, under the names that dashboards know.

    Times run to the first byte of the answer, so an open event stream does not count as slow.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "http_requests_total",
            "Requests answered",
            ("method", "handler", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "Seconds to the first byte of the answer",
            ("method", "handler"),
            buckets=_BUCKETS,
            registry=registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the template, such as ``/v1/jobs/{job_id}``."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class PublishingMetrics:
    """Whether jobs can be queued: by each API process there is, so 0 while one of them cannot."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._able = Gauge(
            "aegis_api_publishing",
            "1 when every API process can queue jobs",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._missed = Counter(
            "aegis_api_jobs_unqueued",
            "Jobs that were recorded at their submit, and queued later",
            registry=registry,
        )

    def notice(self, able: bool, missed: int) -> None:
        self._able.set(able)
        self._missed.inc(missed)


class QueueCollector(Collector):
    """How the queue stands, read from the store when asked; ``most_open``: the limits of admission."""

    def __init__(self, jobs: JobStore, most_open: Mapping[JobKind, int]) -> None:
        self._jobs = jobs
        self._most_open = most_open

    def collect(self) -> Iterable[Metric]:
        """One family a figure; ``aegis_broker_up`` alone when the broker is away."""
        try:
            families = list(self._families())
        except Transient as error:
            log.warning("queue figures are missing from /metrics: %s", error)
            return [_up(0)]
        return [_up(1), *families]

    def _families(self) -> Iterable[Metric]:
        depth = {stage: self._jobs.depth(stage) for stage in Stage}
        figures = self._jobs.figures()
        yield _gauge("aegis_queue_depth", "Jobs that wait at a stage", "stage", depth)
        yield _gauge(
            "aegis_queue_oldest_seconds",
            "Seconds the oldest job at a stage has waited",
            "stage",
            figures.waited,
        )
        yield _gauge("aegis_jobs", "Job records by state", "state", self._jobs.counts())
        yield _gauge("aegis_open_jobs", "Jobs queued or running", "kind", figures.open)
        yield _gauge("aegis_open_jobs_limit", "Jobs that may be so, else 429", "kind", self._most_open)
        yield _gauge("aegis_dead_letters", "Jobs that were given up, by reason", "reason", figures.dead)


class UsageCollector(Collector):
    """What far models cost, read from the counts of all workers when asked."""

    def __init__(self, usage: TokenUsage) -> None:
        self._usage = usage

    def collect(self) -> Iterable[Metric]:
        """One family; none when the broker is away."""
        try:
            totals = self._usage.totals()
        except Transient as error:
            log.warning("tokens of far models are missing from /metrics: %s", error)
            return []
        family = CounterMetricFamily(
            "aegis_model_tokens",
            "Tokens that far models took, as they count them",
            labels=["model", "purpose"],
        )
        for (model, purpose), tokens in totals.items():
            family.add_metric([model, purpose], tokens)
        return [family]


class LivenessCollector(Collector):
    """Workers by lane, and the scheduler's ticks, read from their signs of life when asked."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats

    def collect(self) -> Iterable[Metric]:
        """One family a figure; none when the broker is away."""
        try:
            signs = self._heartbeats.read_signs()
        except Transient as error:
            log.warning("signs of life are missing from /metrics: %s", error)
            return []
        alive = {lane: sum(sign.hang() is None for sign in signs.lane(lane)) for lane in LANES}
        age = signs.beats[0]["age"] if signs.beats else inf
        return [
            _gauge("aegis_workers_alive", "Workers that take tasks", "lane", alive),
            GaugeMetricFamily("aegis_beat_tick_age_seconds", "Since the scheduler last ticked", value=age),
        ]


class CacheCollector(Collector):
    """What all workers found in the caches, and how much is kept, read when asked."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def collect(self) -> Iterable[Metric]:
        """One family a figure; none when the broker is away."""
        try:
            figures = self._cache.figures()
        except Transient as error:
            log.warning("figures of the caches are missing from /metrics: %s", error)
            return []
        asked = CounterMetricFamily(
            "aegis_cache_requests", "Texts and questions looked up", labels=["cache", "outcome"]
        )
        for (kind, outcome), count in figures.asked.items():
            asked.add_metric([kind, outcome], count)
        return [asked, GaugeMetricFamily("aegis_cache_bytes", "Bytes that are kept", value=figures.size)]


def _gauge(name: str, help_: str, label: str, values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for value, figure in values.items():
        family.add_metric([str(value)], figure)
    return family


def _up(figure: int) -> GaugeMetricFamily:
    return GaugeMetricFamily("aegis_broker_up", "1 when the broker answers", value=figure)


def metrics_router(own: CollectorRegistry, *collectors: Collector, several_processes: bool) -> APIRouter:
    """The route. ``own`` holds this process's figures; with several, those of all are summed from files."""
    router = APIRouter(
        tags=["health"], dependencies=[Depends(refuse_unknown)], responses=parameter_problems()
    )

    def content() -> bytes:
        shared = CollectorRegistry()
        for collector in collectors:
            shared.register(collector)
        if several_processes:
            MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # ships no annotation
        return generate_latest(shared) + (b"" if several_processes else generate_latest(own))

    collected = Collected(content)

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Prometheus' text format, collected a second ago at most."""
        return Response(await collected.get(), media_type=CONTENT_TYPE_LATEST)

    return router
