"""Pages of figures for Prometheus, as text or, where a scrape asks for it, as OpenMetrics with exemplars.

https://prometheus.io/docs/instrumenting/exposition_formats. Import it late: see
:mod:`rag.telemetry.call_metrics`.
"""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

OPENMETRICS = "application/openmetrics-text"


def asks_for_openmetrics(accept: str) -> bool:
    """Whether an Accept header names OpenMetrics, as Prometheus' does before all others."""
    return any(each.partition(";")[0].strip() == OPENMETRICS for each in accept.split(","))


def content_type(*, as_openmetrics: bool) -> str:
    return openmetrics.CONTENT_TYPE_LATEST if as_openmetrics else CONTENT_TYPE_LATEST


def render(collectors: Iterable[Collector], *, shared: Path | None, as_openmetrics: bool) -> bytes:
    """The page of all ``collectors``; a whole registry is one too.

    ``shared``: the folder where processes put their figures, which are summed up; None: there is none.
    """
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    if shared is not None:
        MultiProcessCollector(registry, str(shared))  # type: ignore[no-untyped-call]  # ships no annotation
    if not as_openmetrics:
        return generate_latest(registry)
    page: str | bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
    return page if isinstance(page, bytes) else page.encode()
