"""Jobs that are worked at the same time, so that they share calls to models and stores.

Each one's work is a generator with a context of its own: it goes on by itself up to a call that can be
shared. What happens to one happens to no other. A shared call that fails is made again
for each job alone, so that an error meets whom it is about.
"""

import logging
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, perf_counter
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from tasks.run import Outcome, Shared, StageRun, Steps

PATIENCE_SECONDS = 5.0
"""Time after which no failed call is made again for each alone: jobs without an end are to be given back."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class BatchItem:
    """A job on its way through a stage. ``end``: what it came to, or why it broke off; None: not yet.

    ``seconds``: of work on it, those of a shared call by its share of the items.
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
        """Let the shared call that it waits for raise ``error``."""
        self._step(lambda: self.steps.throw(error))

    def leave(self) -> None:
        """Give up its work where it stands."""
        self.context.run(self.steps.close)

    def _step(self, move: Callable[[], Shared]) -> None:
        started = perf_counter()
        self.wants = None
        try:
            self.wants = self.context.run(move)
        except StopIteration as stop:
            self.end = stop.value
        except Exception as error:  # noqa: BLE001 - whoever ends the job tells them apart
            self.end = error
        finally:
            self.seconds += perf_counter() - started


class Batch:
    """Works until each member has its end, or the rest has to be given back."""

    def __init__(self, members: Sequence[BatchItem]) -> None:
        self._members = members
        self._until = monotonic() + PATIENCE_SECONDS
        self._broken_off = False

    def work(self) -> None:
        """Members without an ``end`` are to be given back then. BaseExceptions pass."""
        try:
            for member in self._members:
                self._move(member, member.go_on)
            while waiting := self._waiting():
                for group in _groups(waiting):
                    self._call(group)
        finally:
            for member in self._members:
                if member.end is None:
                    member.leave()

    def _waiting(self) -> list[BatchItem]:
        return [] if self._broken_off else [member for member in self._members if member.wants]

    def _move(self, member: BatchItem, move: Callable[[], None]) -> None:
        """One that met the time limit leaves no time to the others."""
        if not self._broken_off:
            move()
            self._broken_off = isinstance(member.end, SoftTimeLimitExceeded)

    def _call(self, group: Sequence[BatchItem]) -> None:
        """Make the call that all of the group want."""
        if self._broken_off:
            return
        try:
            answers = _answer(group)
        except Exception as error:  # noqa: BLE001 - it goes to whom it is about
            self._fail(group, error)
            return
        for member, answer in zip(group, answers, strict=True):
            self._move(member, partial(member.go_on, answer))

    def _fail(self, group: Sequence[BatchItem], error: Exception) -> None:
        if len(group) == 1:
            self._move(group[0], partial(group[0].fail, error))
            return
        log.info("a call for %d jobs is made for each alone: %s", len(group), error)
        if isinstance(error, SoftTimeLimitExceeded):
            self._broken_off = True
        for member in group:
            if monotonic() > self._until:
                self._broken_off = True
            self._call([member])


def _groups(members: Sequence[BatchItem]) -> list[list[BatchItem]]:
    """Members whose calls become one."""
    groups: dict[Any, list[BatchItem]] = {}
    for member in members:
        if member.wants is not None:
            wants = member.wants
            groups.setdefault((wants.call, wants.of, wants.within), []).append(member)
    return list(groups.values())


def _answer(group: Sequence[BatchItem]) -> list[Sequence[Any] | None]:
    """Each one's answers from one call, made in the context of the first."""
    wanted = [member.wants for member in group if member.wants is not None]
    first, items = wanted[0], [item for shared in wanted for item in shared.items]
    started = perf_counter()
    try:
        answers = group[0].context.run(first.call, *first.of, items)
    finally:
        _charge(group, wanted, perf_counter() - started)
    if answers is None:
        return [None] * len(group)
    rest = iter(answers)
    return [[next(rest) for _ in shared.items] for shared in wanted]


def _charge(group: Sequence[BatchItem], wanted: Sequence[Shared], seconds: float) -> None:
    everything = sum(len(shared.items) for shared in wanted)
    for member, shared in zip(group, wanted, strict=True):
        member.seconds += seconds * len(shared.items) / max(1, everything)
