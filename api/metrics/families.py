"""Families of figures that are read when Prometheus asks, and what such a reader does without the broker."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from rag.errors import Recovering, Transient, Unavailable

log = logging.getLogger(__name__)


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

    @abstractmethod
    def families(self) -> Iterable[Metric]:
        """The figures as they are now. Raises Transient while the broker is away."""

    def without_broker(self) -> Iterable[Metric]:
        return []


class StoreCollectors(Collector):
    """Several readers, one after the other. Where the first finds the broker away, no other waits for it too.

    A broker that answers nothing costs each reader its timeout, and Prometheus waits for ten seconds in all.
    """

    def __init__(self, first: StoreCollector, *others: StoreCollector) -> None:
        self._first = first
        self._others = others

    def collect(self) -> Iterator[Metric]:
        away = False
        try:
            yield from list(self._first.families())
        except Transient as error:
            log.warning("%s are missing from /metrics: %s", self._first.subject, error)
            yield from self._first.without_broker()
            away = isinstance(error, Unavailable) and not isinstance(error, Recovering)
        for reader in self._others:
            yield from reader.without_broker() if away else reader.collect()


def gauge(name: str, help_: str, figure: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=float(figure))


def gauges(name: str, help_: str, label: str, values: Mapping[Any, float]) -> GaugeMetricFamily:
    """A gauge for each value of ``label``."""
    family = GaugeMetricFamily(name, help_, labels=[label])
    for value, figure in values.items():
        family.add_metric([str(value)], figure)
    return family


def counter(name: str, help_: str, count: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, help_, value=float(count))


def counters(
    name: str, help_: str, labels: tuple[str, ...], values: Mapping[Any, float]
) -> CounterMetricFamily:
    """A counter for each tuple of the labels' values."""
    family = CounterMetricFamily(name, help_, labels=labels)
    for key, count in values.items():
        family.add_metric(key, count)
    return family
