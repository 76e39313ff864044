"""What /metrics asks of a broker that does not answer: once, not once for each group of figures."""

from collections.abc import Iterable

import pytest
from prometheus_client.metrics_core import Metric

from api.metrics.families import StoreCollector, StoreCollectors, gauge
from rag.errors import Overloaded, Recovering, Transient, Unavailable


class Reader(StoreCollector):
    """Tells 1 under its name, or fails; 0 without the broker. ``asked``: how often it was."""

    def __init__(self, subject: str, error: Transient | None = None) -> None:
        self.subject = subject  # type: ignore[misc]  # a class's constant elsewhere
        self.error = error
        self.asked = 0

    def families(self) -> Iterable[Metric]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return [gauge(self.subject, "a figure", 1)]

    def without_broker(self) -> Iterable[Metric]:
        return [gauge(self.subject, "a figure", 0)]


def told(*readers: Reader) -> dict[str, float]:
    return {metric.name: metric.samples[0].value for metric in StoreCollectors(*readers).collect()}


def test_all_are_asked_while_it_answers() -> None:
    assert told(Reader("first"), Reader("second")) == {"first": 1, "second": 1}


def test_no_other_waits_for_a_broker_that_is_away() -> None:
    second = Reader("second")

    assert told(Reader("first", Unavailable("away")), second) == {"first": 0, "second": 0}
    assert second.asked == 0


@pytest.mark.parametrize("error", [Recovering("being restored"), Overloaded("full")])
def test_a_broker_that_answers_with_an_error_is_asked_for_the_rest(error: Transient) -> None:
    assert told(Reader("first", error), Reader("second")) == {"first": 0, "second": 1}


def test_a_later_one_that_fails_leaves_out_its_own_figures_alone() -> None:
    readers = Reader("first"), Reader("second", Unavailable("away")), Reader("third")

    assert told(*readers) == {"first": 1, "second": 0, "third": 1}
