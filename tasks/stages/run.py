"""An attempt at a stage as its work sees it, and what the work may return."""

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from time import time
from typing import Any

from rag.errors import AegisError, NotFound
from rag.model import EventKind, Job, Json, Lease, Progress, Stage
from tasks.lanes import lane_of
from tasks.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Next:
    """The job goes on at ``stage``. ``size``: how much there is to do there, such as its chunks.

    ``rest``: seconds in which other jobs of the lane have their turn first. ``why``: what it rests for, in
    words that follow "It waits for", or the error after which the stage is tried again. ``saves``: data for
    later stages, as :meth:`StageRun.save` stores it.
    """

    stage: Stage
    size: int = 1
    rest: float = 0.0
    why: AegisError | str = ""
    saves: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """The job has succeeded. ``result`` makes its result from the job and the seconds of the last stage.

    ``after`` is called once the record says so. It may remove what a new attempt would need.
    ``first_token``: seconds from the job's submit to the first piece of its answer, if that was generated.
    """

    result: Callable[[Job, float], Json]
    after: Callable[[], None] | None = None
    first_token: float | None = None


Outcome = Next | Done


@dataclass(frozen=True, slots=True)
class Shared:
    """A call that jobs of a batch make together.

    ``call(*of, items)`` is made once for the items of all jobs with equal ``call``, ``of`` and ``within``. It
    returns one answer an item, in order, or None. Each job gets the answers to its own items.
    """

    call: Callable[..., Sequence[Any] | None]
    items: Sequence[Any]
    of: tuple[Hashable, ...] = ()
    within: Hashable = None


Steps = Generator[Shared, Any, Outcome]
"""A stage's work that yields the calls it shares, and receives their answers."""

SharedCalls = Generator[Shared, Any, None]
"""A part of such work."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One attempt at one stage. ``taken_at``: Unix seconds by this machine's clock."""

    lease: Lease
    tools: Toolbox
    lost: Event = field(default_factory=Event)
    taken_at: float = field(default_factory=time)
    _loaded: dict[str, bytes | None] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        return self.lease.job

    def cancelled(self) -> bool:
        """Whether the job was cancelled or taken over, as far as this process knows. Cheap: ask it often."""
        return self.lost.is_set()

    def overdue(self) -> bool:
        """Whether the job's deadline has passed, so that nobody waits for its result."""
        return self.job.deadline is not None and time() > self.job.deadline

    def holds(self) -> bool:
        """Whether the job is still this attempt's. Asks the record, and renews the lease."""
        settings = self.tools.settings
        self._note(self.tools.jobs.extend(self.lease, lease_seconds=settings.lease_seconds))
        return not self.cancelled()

    def must_give_way(self) -> bool:
        """Whether another owner's job waits for this lane. A long stage then pauses and goes on after it."""
        return self.tools.jobs.others_wait(self.job.owner, lane_of(self.job.stage).stages)

    def progress(self, done: int, total: int) -> None:
        self._note(self.tools.jobs.progress(self.lease, Progress(done, total)))

    def token(self, text: str) -> None:
        """Publish a piece of the answer as an event of the job."""
        self._note(self.tools.jobs.emit(self.lease, EventKind.TOKEN, {"text": text}))

    def save(self, name: str, data: bytes) -> None:
        """Store ``data`` for later stages of the job."""
        self._note(self.tools.jobs.put_artefact(self.lease, name, data))
        self._loaded.pop(name, None)

    def load_ahead(self, *names: str) -> "SharedCalls":
        """Read what :meth:`load` will be asked for, together with the other jobs of the batch.

        Until the attempt ends, nobody else can write it.
        """
        (found,) = yield Shared(self.tools.jobs.artefacts, (self.job.id,), of=(names,))
        self._loaded.update({name: found.get(name) for name in names})

    def load(self, name: str) -> bytes:
        """The data that an earlier stage saved. NotFound when it is gone."""
        if name not in self._loaded:
            return self.tools.jobs.artefact(self.job.id, name)
        if (data := self._loaded[name]) is None:
            raise NotFound(f"job {self.job.id} has no {name}")
        return data

    def _note(self, still_ours: bool) -> None:
        if not still_ours:
            self.lost.set()


Work = Callable[[StageRun], Outcome | Steps]
"""What a stage does: a plain function, or a generator function whose calls can be shared."""
