"""An attempt at a stage as its work sees it, and what the work may come to."""

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Event
from time import time
from typing import Any

from rag.model import EventKind, Job, Json, Lease, Progress, Stage
from tasks.app import lane_of
from tasks.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Next:
    """The job goes on at ``stage``; ``size``: with how much to do there, such as its chunks.

    ``rest``: seconds for which others of the lane have their turn first.
    """

    stage: Stage
    size: int = 1
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Done:
    """The job has succeeded. ``result`` may need the job's own times, so it is made from them.

    ``after``: what may only happen when the record says so, such as removing what a new attempt needs.
    """

    result: Callable[[Job, float], Json]
    after: Callable[[], None] | None = None


Outcome = Next | Done


@dataclass(frozen=True, slots=True)
class Shared:
    """A call that jobs which are worked at the same time make together.

    ``call(*of, items)`` is made once for the items of all whose ``call``, ``of`` and ``within`` are equal. It
    gives an answer an item, in order, or None. The job gets the answers to its own items.
    """

    call: Callable[..., Sequence[Any] | None]
    items: Sequence[Any]
    of: tuple[Hashable, ...] = ()
    within: Hashable = None


Steps = Generator[Shared, Any, Outcome]
"""A stage's work that yields the calls it shares, and is sent their answers."""

SharedCalls = Generator[Shared, Any, None]
"""A part of it."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One attempt at one stage, as its work sees it."""

    lease: Lease
    tools: Toolbox
    lost: Event = field(default_factory=Event)

    @property
    def job(self) -> Job:
        return self.lease.job

    def cancelled(self) -> bool:
        """Whether the job was cancelled or taken over; asks nobody, so ask it often."""
        return self.lost.is_set()

    def overdue(self) -> bool:
        """Whether the job's deadline has passed: nobody waits for its result any more."""
        return self.job.deadline is not None and time() > self.job.deadline

    def holds(self) -> bool:
        """Whether the job is still this attempt's; asks the record, so ask it where that counts."""
        settings = self.tools.settings
        self._note(self.tools.jobs.extend(self.lease, lease_seconds=settings.lease_seconds))
        return not self.cancelled()

    def must_give_way(self) -> bool:
        """Whether another owner's job waits for this lane: then a long stage goes on after it."""
        return self.tools.jobs.others_wait(self.job.owner, lane_of(self.job.stage).stages)

    def progress(self, done: int, total: int) -> None:
        self._note(self.tools.jobs.progress(self.lease, Progress(done, total)))

    def token(self, text: str) -> None:
        """Pass a piece of the answer on to whoever listens."""
        self._note(self.tools.jobs.emit(self.lease, EventKind.TOKEN, {"text": text}))

    def keep(self, name: str, data: bytes) -> None:
        """Leave ``data`` for later stages."""
        self._note(self.tools.jobs.put_artefact(self.lease, name, data))

    def kept(self, name: str) -> bytes:
        """What an earlier stage left. NotFound when it is gone."""
        return self.tools.jobs.artefact(self.job.id, name)

    def _note(self, still_ours: bool) -> None:
        if not still_ours:
            self.lost.set()


Work = Callable[[StageRun], Outcome | Steps]
"""What a stage does: a function, or one whose calls are shared."""


@dataclass(frozen=True, slots=True)
class StageWork:
    """What a stage does. ``together``: whether several jobs are worked at the same time."""

    work: Work
    together: bool
