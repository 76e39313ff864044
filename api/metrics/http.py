"""Figures that each API process counts for itself: its requests, and whether it can queue jobs."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rag.telemetry.exemplars import Exemplar

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class HttpMetrics:
    """Counts and times requests by method, route and status, under the names that dashboards know.

    Times run to the first byte of the answer, so an open event stream does not count as slow.
    """

    def __init__(self, registry: CollectorRegistry, *, exemplars: bool) -> None:
        """``exemplars``: whether times carry the ids of traces. Files that processes share have no room."""
        self._exemplars = exemplars
        labels, text = ("method", "handler", "status"), "Seconds to the first byte of the answer"
        self._requests = Counter("http_requests_total", "Requests answered", labels, registry=registry)
        self._seconds = Histogram(
            "http_request_duration_seconds", text, labels, buckets=_BUCKETS, registry=registry
        )

    def observe(
        self, method: str, route: str, status: int, seconds: float, exemplar: Exemplar | None
    ) -> None:
        """``route`` is the template, such as ``/v1/jobs/{job_id}``. A caller could make up methods."""
        labels = (method if method in _METHODS else "other", route, str(status))
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds, exemplar if self._exemplars else None)


class PublishingMetrics:
    """Whether jobs can be queued. Over several API processes the lowest value counts: 0 while one cannot."""

    def __init__(self, registry: CollectorRegistry) -> None:
        able, missed = "1 when every API process can queue jobs", "Jobs that were recorded, and queued later"
        self._able = Gauge("aegis_api_publishing", able, registry=registry, multiprocess_mode="livemin")
        self._missed = Counter("aegis_api_jobs_unqueued", missed, registry=registry)

    def notice(self, able: bool, missed: int) -> None:
        self._able.set(able)
        self._missed.inc(missed)
