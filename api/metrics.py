"""/metrics for Prometheus: what this API answered, and what waits in the queues.

Imported late: with several API processes prometheus-client must find its shared folder in
the environment when it is first imported (see ``api.main``).
"""

import logging
from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from rag.errors import Transient
from rag.model import Stage
from rag.ports import JobStore

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


class QueueCollector(Collector):
    """Jobs by state and by waiting stage, read from the store when asked."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[Metric]:
        """One family a figure; ``aegis_broker_up`` alone when the broker is away."""
        up = GaugeMetricFamily("aegis_broker_up", "1 when the broker answers")
        depth = GaugeMetricFamily("aegis_queue_depth", "Jobs that wait at a stage", labels=["stage"])
        states = GaugeMetricFamily("aegis_jobs", "Job records by state", labels=["state"])
        try:
            for stage in Stage:
                depth.add_metric([stage.value], self._jobs.depth(stage))
            for state, count in self._jobs.counts().items():
                states.add_metric([state.value], count)
        except Transient as error:
            log.warning("queue figures are missing from /metrics: %s", error)
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, depth, states]


def metrics_router(own: CollectorRegistry, jobs: JobStore, *, several_processes: bool) -> APIRouter:
    """The route. ``own`` holds this process's figures; with several, those of all are summed from files."""
    router = APIRouter(tags=["health"])

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """Prometheus' text format."""
        queues = CollectorRegistry()
        queues.register(QueueCollector(jobs))
        if several_processes:
            MultiProcessCollector(queues)  # type: ignore[no-untyped-call]  # ships no annotation
        content = generate_latest(queues) + (b"" if several_processes else generate_latest(own))
        return Response(content, media_type=CONTENT_TYPE_LATEST)

    return router
