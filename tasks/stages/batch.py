"""Batches: jobs that are worked at the same time, so that they share calls to models and stores.

Each job's work is a generator with a context of its own. It runs by itself up to a call that can be
shared. What happens to one job happens to no other: a shared call that fails is made again
for each job alone, so that an error reaches the job that it is about.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, perf_counter
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from opentelemetry.trace import Span

from rag.system.log_context import add_log_fields
from rag.telemetry import tracing
from tasks.stages.run import Outcome, Shared, StageRun, Steps

PATIENCE_SECONDS = 5.0
"""After this time no failed call is made again for each job alone; jobs without an end are given back."""

_NAMED = 16
"""Jobs of a shared call that its log lines name."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class BatchItem:
    """A job on its way through a stage. ``end``: its outcome or its error; None: it has not ended.

    ``seconds``: of work on it; of a shared call, by its share of the call's items.
    """

    run: StageRun
    steps: Steps
    end: Outcome | Exception | None = None
    seconds: float = 0.0
    wants: Shared | None = None
    context: Context = field(default_factory=copy_context)

    def go_on(self, answer: Sequence[Any] | None = None) -> None:
        self._step(lambda: self.steps.send(answer))

    def fail(self, error: Exception) -> None:
        """Let the shared call that the job waits for raise ``error``."""
        self._step(lambda: self.steps.throw(error))

    def _step(self, move: Callable[[], Shared]) -> None:
        started = perf_counter()
        self.wants = None
        try:
            self.wants = self.context.run(move)
        except StopIteration as stop:
            self.end = stop.value
        except Exception as error:  # noqa: BLE001 - tasks.stages.outcomes tells them apart
            self.end = error
        finally:
            self.seconds += perf_counter() - started


class Batch:
    """Works its items until each has an end, or until the rest must be given back."""

    def __init__(self, items: Sequence[BatchItem]) -> None:
        self._items = items
        self._until = monotonic() + PATIENCE_SECONDS
        self._broken_off = False

    def work(self) -> None:
        """Work all items. Those without an ``end`` are to be given back afterwards. BaseExceptions pass."""
        try:
            for item in self._items:
                self._move(item, item.go_on)
            while groups := self._waiting_groups():
                for group in groups:
                    self._call(group)
        finally:
            for item in self._items:
                if item.end is None:
                    item.context.run(item.steps.close)

    def _waiting_groups(self) -> list[list[BatchItem]]:
        """The items that wait for a call, by the call that they can share."""
        groups: dict[Hashable, list[BatchItem]] = {}
        for item in self._items:
            if item.wants is not None and not self._broken_off:
                groups.setdefault((item.wants.call, item.wants.of, item.wants.within), []).append(item)
        return list(groups.values())

    def _move(self, item: BatchItem, move: Callable[[], None]) -> None:
        if not self._broken_off:
            move()
            # the worker's time limit is over for all items, whichever met it
            self._broken_off = isinstance(item.end, SoftTimeLimitExceeded)

    def _call(self, group: Sequence[BatchItem]) -> None:
        """Make the call that all items of the group want."""
        if self._broken_off:
            return
        try:
            answers = _call_together(group)
        except Exception as error:  # noqa: BLE001 - it goes to the job that it is about
            if len(group) == 1:
                self._move(group[0], partial(group[0].fail, error))
            else:
                self._call_each_alone(group, error)
            return
        for item, answer in zip(group, answers, strict=True):
            self._move(item, partial(item.go_on, answer))

    def _call_each_alone(self, group: Sequence[BatchItem], error: Exception) -> None:
        log.info("a call for %d jobs failed, and is made for each alone: %s", len(group), error)
        if isinstance(error, SoftTimeLimitExceeded):
            self._broken_off = True
        for item in group:
            if monotonic() > self._until:
                self._broken_off = True
            self._call([item])


def _call_together(group: Sequence[BatchItem]) -> list[Sequence[Any] | None]:
    """Make one call in the context of one item, share its time out, and return each item's answers."""
    wanted = [item.wants for item in group if item.wants is not None]
    first, items = wanted[0], [each for shared in wanted for each in shared.items]
    started = perf_counter()
    try:
        spans = tracing.spans_in([item.context for item in group])
        home = group[tracing.first_traced(spans)].context
        answers = home.run(_call_for, [item.run.job.id for item in group], first, items, spans)
    finally:
        seconds = perf_counter() - started
        for item, shared in zip(group, wanted, strict=True):
            item.seconds += seconds * len(shared.items) / max(1, len(items))
    if answers is None:
        return [None] * len(group)
    rest = iter(answers)
    return [[next(rest) for _ in shared.items] for shared in wanted]


def _call_for(
    jobs: Sequence[str], wanted: Shared, items: Sequence[Any], spans: Sequence[Span]
) -> Sequence[Any] | None:
    """Make a call with the items of all ``jobs``. Its span and its log lines name them all."""
    name = getattr(wanted.call, "__name__", "call")
    with tracing.shared_call(name, spans, len(items)):
        if len(jobs) == 1:
            return wanted.call(*wanted.of, items)
        with add_log_fields(job=" ".join(jobs[:_NAMED]), document=None):
            return wanted.call(*wanted.of, items)
