"""Counts the round trips to Redis of an attempt at a stage: a span for each would be more spans than work."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter


@dataclass(slots=True)
class RoundTrips:
    """How many calls there were, and the seconds that they took together."""

    calls: int = 0
    seconds: float = 0.0


_COUNTED: ContextVar[RoundTrips | None] = ContextVar("aegis-round-trips", default=None)


@contextmanager
def count_round_trips() -> Iterator[RoundTrips]:
    """Count the round trips of the block, and yield the count."""
    token = _COUNTED.set(trips := RoundTrips())
    try:
        yield trips
    finally:
        _COUNTED.reset(token)


@contextmanager
def round_trip() -> Iterator[None]:
    """Run the block as one round trip. Where nobody counts, that costs a microsecond."""
    trips = _COUNTED.get()
    if trips is None:
        yield
        return
    began = perf_counter()
    try:
        yield
    finally:
        trips.calls += 1
        trips.seconds += perf_counter() - began
