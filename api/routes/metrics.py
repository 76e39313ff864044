"""/metrics for Prometheus: requests to this API, queues, workers, caches, tokens and backups.

Import it late: with several API processes prometheus-client must find its shared folder in the environment
when it is first imported (see ``api.main``).
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from time import time
from typing import Any, ClassVar

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

from api.calls.openapi import problem
from api.http.routing import refuse_unknown
from api.routes.coalescing import Coalesced
from rag.backups.status import BackupStatus
from rag.errors import Transient
from rag.model import JobKind, Json, Stage, StageFigures
from rag.ports import Cache, JobStore
from rag.redis.heartbeats import Heartbeats
from rag.redis.token_usage import TokenUsage
from tasks.submit.submissions import LANE_STAGES, LANES

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

# Name of the figures of each kind, and what they are of.
_BACKUP_JOBS: Mapping[JobKind, tuple[str, str]] = {
    JobKind.BACKUP: ("aegis_backup", "backup"),
    JobKind.VERIFY: ("aegis_backup_verification", "verification of a backup"),
    JobKind.REHEARSE: ("aegis_backup_rehearsal", "rehearsal of a restore"),
    JobKind.RESTORE: ("aegis_backup_restore", "restore"),
    JobKind.PRUNE: ("aegis_backup_prune", "prune of backups"),
}

_LANE_WAITING = (
    "Jobs that a worker could begin now; also those whose worker was lost. "
    "Those that rest until a retry, a rate limit or a later slice are not counted before their time"
)
_LANE_WAITED = "Seconds that the oldest of the waiting jobs has waited, 0 without one"

log = logging.getLogger(__name__)


class HttpMetrics:
    """Counts and times requests by method, route and status, under the names that dashboards know.

    Times run to the first byte of the answer, so an open event stream does not count as slow.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels, text = ("method", "handler"), "Seconds to the first byte of the answer"
        self._requests = Counter(
            "http_requests_total", "Requests answered", (*labels, "status"), registry=registry
        )
        self._seconds = Histogram(
            "http_request_duration_seconds", text, labels, buckets=_BUCKETS, registry=registry
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the template, such as ``/v1/jobs/{job_id}``."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class PublishingMetrics:
    """Whether jobs can be queued. Over several API processes the lowest value counts: 0 while one cannot."""

    def __init__(self, registry: CollectorRegistry) -> None:
        able, missed = "1 when every API process can queue jobs", "Jobs that were recorded, and queued later"
        self._able = Gauge("aegis_api_publishing", able, registry=registry, multiprocess_mode="livemin")
        self._missed = Counter("aegis_api_jobs_unqueued", missed, registry=registry)

    def notice(self, able: bool, missed: int) -> None:
        self._able.set(able)
        self._missed.inc(missed)


class StoreCollector(Collector):
    """Reads figures from a store when Prometheus asks. ``subject`` names them in the log."""

    subject: ClassVar[str]

    def collect(self) -> Iterable[Metric]:
        """One family for each figure; :meth:`without_broker` when the broker is away."""
        try:
            return list(self.families())
        except Transient as error:
            log.warning("%s are missing from /metrics: %s", self.subject, error)
            return self.without_broker()

    def families(self) -> Iterable[Metric]:
        raise NotImplementedError

    def without_broker(self) -> Iterable[Metric]:
        return []


@dataclass(eq=False)
class QueueCollector(StoreCollector):
    """The queue's figures; ``most_open``: how many jobs of a kind may be open."""

    jobs: JobStore
    most_open: Mapping[JobKind, int]
    subject = "queue figures"

    def families(self) -> Iterable[Metric]:
        figures = self.jobs.figures()
        depth = {stage: each.queued for stage, each in figures.stages.items()}
        yield _gauge("aegis_broker_up", "1 when the broker answers", 1)
        yield _gauges("aegis_queue_depth", "Jobs that wait at a stage", "stage", depth)
        waited = "Seconds the oldest job at a stage has waited"
        yield _gauges("aegis_queue_oldest_seconds", waited, "stage", figures.waited)
        yield _gauges("aegis_jobs", "Job records by state", "state", self.jobs.counts())
        yield _gauges("aegis_open_jobs", "Jobs queued or running", "kind", figures.open)
        yield _gauges("aegis_open_jobs_limit", "Jobs that may be so, else 429", "kind", self.most_open)
        yield _gauges("aegis_dead_letters", "Jobs that were given up, by reason", "reason", figures.dead)
        yield from _lane_families(figures.stages)

    def without_broker(self) -> Iterable[Metric]:
        return [_gauge("aegis_broker_up", "1 when the broker answers", 0)]


@dataclass(eq=False)
class UsageCollector(StoreCollector):
    """Tokens of remote models, counted by all workers."""

    usage: TokenUsage
    subject = "tokens of remote models"

    def families(self) -> Iterable[Metric]:
        text = "Tokens that remote models took, as they count them"
        yield _counters("aegis_model_tokens", text, ("model", "purpose"), self.usage.totals())


@dataclass(eq=False)
class LivenessCollector(StoreCollector):
    """Workers by lane, and the scheduler's ticks, from their heartbeats."""

    heartbeats: Heartbeats
    subject = "heartbeats"

    def families(self) -> Iterable[Metric]:
        signs = self.heartbeats.read_signs()
        alive = {lane: sum(sign.hang() is None for sign in signs.lane(lane)) for lane in LANES}
        age = signs.beats[0]["age"] if signs.beats else inf
        yield _gauges("aegis_workers_alive", "Workers that take tasks", "lane", alive)
        yield _gauge("aegis_beat_tick_age_seconds", "Since the scheduler last ticked", age)


@dataclass(eq=False)
class CacheCollector(StoreCollector):
    """What all workers found in the caches, and the caches' size."""

    cache: Cache
    subject = "figures of the caches"

    def families(self) -> Iterable[Metric]:
        figures = self.cache.figures()
        text, labels = "Texts and questions looked up", ("cache", "outcome")
        yield _counters("aegis_cache_requests", text, labels, figures.asked)
        yield _gauge("aegis_cache_bytes", "Bytes that are kept", figures.size)


@dataclass(eq=False)
class BackupCollector(StoreCollector):
    """Ages, outcomes and times of the last jobs of each kind; a kind without a job yet has no figures."""

    backup_status: BackupStatus
    subject = "figures of backups"

    def families(self) -> Iterable[Metric]:
        words = self.backup_status.results()
        for kind, (name, what) in _BACKUP_JOBS.items():
            if last := words.get(kind):
                yield _gauge(f"{name}_ok", f"1 when the last {what} succeeded", last["ok"])
            if good := words.get(f"{kind}:good"):
                yield from self._good_families(kind, name, what, good)

    def _good_families(self, kind: JobKind, name: str, what: str, good: Json) -> Iterable[Metric]:
        # From its begin: what was accepted since a backup began may not be in it.
        age = max(0.0, time() - float(good["at"]) + float(good["seconds"]))
        yield _gauge(f"{name}_age_seconds", f"Since the last good {what} began", age)
        yield _gauge(f"{name}_seconds", f"What the last good {what} took", good["seconds"])
        if kind is JobKind.BACKUP:
            lacking = "Documents of the last good backup of which the engine lacked points"
            yield _gauge(f"{name}_bytes", "Of the last good backup, as it is stored", good["bytes"])
            yield _gauge(f"{name}_documents_lacking_points", lacking, good.get("lacking", 0))


def _lane_families(stages: Mapping[Stage, StageFigures]) -> Iterable[Metric]:
    """Every lane is there, also with 0: what scales on a figure takes an absent one for a failure."""
    lanes = {lane: [stages[stage] for stage in its] for lane, its in LANE_STAGES.items()}
    waiting = {lane: sum(each.waiting for each in its) for lane, its in lanes.items()}
    running = {lane: sum(each.running for each in its) for lane, its in lanes.items()}
    still_open = {lane: waiting[lane] + running[lane] for lane in lanes}
    waited = {lane: max(each.waited for each in its) for lane, its in lanes.items()}
    yield _gauges("aegis_lane_waiting_jobs", _LANE_WAITING, "lane", waiting)
    yield _gauges("aegis_lane_running_jobs", "Jobs that a worker holds under a lease", "lane", running)
    yield _gauges("aegis_lane_open_jobs", "Jobs that wait or run, the figure to scale on", "lane", still_open)
    yield _gauges("aegis_lane_oldest_wait_seconds", _LANE_WAITED, "lane", waited)


def _gauge(name: str, help_: str, figure: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=float(figure))


def _gauges(name: str, help_: str, label: str, values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for value, figure in values.items():
        family.add_metric([str(value)], figure)
    return family


def _counters(
    name: str, help_: str, labels: tuple[str, ...], values: Mapping[Any, float]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help_, labels=labels)
    for key, count in values.items():
        family.add_metric(key, count)
    return family


def metrics_router(own: CollectorRegistry, *collectors: Collector, several_processes: bool) -> APIRouter:
    """The route. ``own`` holds this process's figures; with several, those of all are summed from files."""
    router = APIRouter(tags=["health"], dependencies=[Depends(refuse_unknown)], responses={422: problem(422)})

    def content() -> bytes:
        shared = CollectorRegistry()
        for collector in collectors:
            shared.register(collector)
        if several_processes:
            MultiProcessCollector(shared)  # type: ignore[no-untyped-call]  # ships no annotation
        return generate_latest(shared) + (b"" if several_processes else generate_latest(own))

    coalesced = Coalesced(content)

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Prometheus' text format, collected a second ago at most."""
        return Response(await coalesced.get(), media_type=CONTENT_TYPE_LATEST)

    return router
