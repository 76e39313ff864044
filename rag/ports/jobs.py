"""The role that keeps job records."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from rag.model import (
    Accepted,
    Bounds,
    DueStage,
    EventKind,
    Job,
    JobEvent,
    JobFigures,
    JobKind,
    JobNews,
    JobState,
    Json,
    Lease,
    NewJob,
    Progress,
    Stage,
    Taken,
)
from rag.ports.paging import Window


class Turn(Protocol):
    """Truthy for as long as nobody else is at the duty: ask it again before what must not be done by two."""

    def __bool__(self) -> bool: ...


class JobStore(Protocol):
    """Job records, their events and their small artefacts. Every change is one atomic step."""

    def admit(
        self, kind: JobKind, *, most_open: int, owner: str = "", idempotency_key: str | None = None
    ) -> None:
        """Return when ``accept`` would take a job of this kind and owner now; Overloaded when not."""
        ...

    def repeated(self, *, idempotency_key: str, body_digest: str) -> Accepted | None:
        """The job of an earlier submit with this key; None for a new one. IdempotencyMismatch."""
        ...

    def accept(
        self,
        job: NewJob,
        *,
        idempotency_key: str | None = None,
        body_digest: str = "",
        most_open: int | None = None,
    ) -> Accepted:
        """Record a queued job. IdempotencyMismatch when the key was used with another digest.

        Overloaded, with the time after which there should be room, when ``most_open`` jobs of
        this kind are not over yet; a submit that repeats an accepted one is answered all the same. An
        owner may have as many open as there is still room for, and MAX_OPEN_JOBS_PER_KEY at most.
        """
        ...

    def get(
        self, job_id: str, *, collections: Sequence[str] | None = None, asker: str | None = None
    ) -> Job | None:
        """The record, ``queue_position`` included (1 is next; None unless queued).

        ``collections`` and ``asker`` as for ``page``: a job that they leave out is looked at no longer than
        one that is not there.
        """
        ...

    def page(  # noqa: PLR0913 - what a listing is narrowed by
        self,
        *,
        states: Collection[JobState] = (),
        kinds: Collection[JobKind] = (),
        collections: Sequence[str] | None,
        document_id: str | None = None,
        cursor: str | None,
        limit: int,
        asker: str | None = None,
    ) -> Window[Job]:
        """Newest first. No ``states`` or ``kinds``: any. ``collections`` None: all.

        ``document_id``: only what brings or deletes a document of this id. ``asker``: of questions only
        those of this owner.
        """
        ...

    def due(self, stages: Sequence[Stage], *, lease_seconds: float, worker: str = "") -> Sequence[DueStage]:
        """Those of ``stages`` at which a job is due, the stage whose job has waited longest first.

        A job is due when it is queued, the pause before its next attempt is over, and its entry in the
        journal, if it needs one, is written. Running jobs whose worker let its lease run out are queued again
        here, after a short grace in which a worker that could not reach the records may renew its lease.
        So are, at once, the jobs that this ``worker`` began with its last ``take`` and that are not over:
        a child of it held them, and died. '' for a caller without a name.
        """
        ...

    def take(self, stage: Stage, *, lease_seconds: float, worker: str, bounds: Bounds) -> Taken:
        """Begin jobs that are due at ``stage``: of each owner the oldest, and owners by turns.

        Each becomes running under a new token, with one attempt more; a later attempt counts as a retry.
        It is the turn of the owner who has had least of the stage. Each job is as large as ``advance`` told,
        1 otherwise. A job that was begun at this stage before, or released as ``solo``, is begun alone.

        ``worker``: the name of a worker with one slot, as for ``due``.
        """
        ...

    def others_wait(self, owner: str, stages: Sequence[Stage]) -> bool:
        """Whether a job of another owner is due at one of ``stages``."""
        ...

    def extend(self, lease: Lease, *, lease_seconds: float) -> bool:
        """Prolong the lease. False when it is lost (newer token, job over, cancelled, held too long)."""
        ...

    def progress(self, lease: Lease, progress: Progress) -> bool: ...

    def emit(self, lease: Lease, kind: EventKind, data: Json) -> bool:
        """Append an event of a running job; False when the lease is lost."""
        ...

    def advance(
        self, lease: Lease, stage: Stage, *, seconds: float, size: int = 1, delay: float = 0.0
    ) -> bool:
        """Stage done after ``seconds`` of work: queue the job at ``stage``. False: lease lost.

        At the same stage: one slice of it is done, and its retries count anew.

        ``size``: how much there is to do for it, such as its chunks. ``delay``: seconds until it is due
        there, 300 at most.
        """
        ...

    def requeue(self, lease: Lease, *, error: Json, delay: float = 0.0, counted: bool = True) -> bool:
        """Give the stage back for another attempt after ``delay`` seconds, 300 at most. False: lease lost.

        Not ``counted``: this attempt is neither one of MAX_ATTEMPTS nor of MAX_RETRIES_PER_JOB.
        """
        ...

    def release(self, lease: Lease, *, solo: bool = False) -> bool:
        """Give the stage back as if this attempt had not begun: its worker ends. False: lease lost.

        ``solo``: until the stage is done, no other job is worked beside this one.
        """
        ...

    def finish(
        self,
        lease: Lease,
        state: JobState,
        *,
        seconds: float = 0.0,
        result: Json | None = None,
        error: Json | None = None,
    ) -> bool:
        """End the job. False, and nothing written, when the lease is lost.

        The ``reason`` of a dead job is the code at the end of its error's ``type``.
        """
        ...

    def cancel(self, job_id: str) -> Job:
        """End a job that is not over, as cancelled. NotFound; Conflict when it is over."""
        ...

    def retry(self, job_id: str, *, most_open: Mapping[JobKind, int] | None = None) -> Job:
        """Queue a failed, dead or cancelled job again at its stage. NotFound; Conflict otherwise.

        Overloaded as for ``accept``; a kind that is not in ``most_open`` has room for any number. A deadline
        moves, so that the job gets as long as it had at first.
        """
        ...

    def put_artefact(self, lease: Lease, name: str, data: bytes) -> bool:
        """Keep a stage's small output (a few MB at most) until the job succeeds or its record goes."""
        ...

    def artefact(self, job_id: str, name: str) -> bytes:
        """NotFound when it was never put or has expired."""
        ...

    def events(self, job_id: str, *, after: str | None = None) -> list[JobEvent]:
        """The job's events in order, those after ``after`` only."""
        ...

    def news(self, heard: Mapping[str, str | None]) -> JobNews:
        """What happened to these jobs after the events that were ``heard`` of them; None: of all of it.

        InvalidRequest for what is not the id of an event.
        """
        ...

    def dead(
        self,
        *,
        reason: str | None,
        collections: Sequence[str] | None,
        cursor: str | None,
        limit: int,
        asker: str | None = None,
    ) -> Window[Job]:
        """The dead letters, newest first; ``reason`` None: of every class. The rest as for ``page``."""
        ...

    def drop(self, job_id: str) -> Job:
        """A dead letter nobody wants: the job stays as failed. NotFound; Conflict when it is not dead."""
        ...

    def expired(self, *, limit: int) -> list[Job]:
        """Queued jobs whose deadline has passed."""
        ...

    def expire(self, job_id: str, *, error: Json) -> bool:
        """End a queued job whose deadline has passed as failed. False when it is not one."""
        ...

    def alone(
        self, duty: str, *, seconds: float, followed_after: float | None = None
    ) -> AbstractContextManager[Turn]:
        """Whether the caller is the only one at ``duty``, until it leaves or ``seconds`` have passed.

        ``followed_after``: seconds after which another may follow one that was killed, the same for all who
        are at the duty; default: ``seconds``. A server that is frozen for as long lets two at the duty.
        """
        ...

    def depth(self, stage: Stage) -> int:
        """How many jobs are queued at this stage."""
        ...

    def counts(self) -> Mapping[JobState, int]:
        """How many jobs there are in each state."""
        ...

    def coming(self, collection: str) -> int:
        """How many of the collection's ingestions are queued or running; one number is looked up for it."""
        ...

    def coming_of(self, collection: str, document_id: str) -> Sequence[str]:
        """Ids of those of them that bring this document, 100 at most."""
        ...

    def figures(self) -> JobFigures:
        """How the queue stands now."""
        ...

    def remains(self, *, limit: int) -> list[Job]:
        """Ingestions that ended without success, and may have left points and work behind."""
        ...

    def tidy(self, job_id: str, *, seconds: float) -> Job | None:
        """The record of a job whose remains may be removed now: nobody can retry it for ``seconds``.

        None when it is not over, or dead: then they are still needed.
        """
        ...

    def confirm_tidy(self, job_id: str, *, lease: Lease | None = None) -> None:
        """What ``tidy`` allowed is done; ``lease``: that of the attempt that did it and writes no more.

        Where another attempt may still write, the job is among the ``remains`` again later.
        """
        ...

    def prune(self, *, finished_before: float, dead_before: float, most: int, limit: int) -> Sequence[Job]:
        """Forget jobs that ended before, dead ones before ``dead_before``, and the oldest over ``most``.

        ``limit`` bounds one call. The records as they were, without their results.
        """
        ...

    def ping(self) -> None: ...


def is_over(jobs: JobStore, job_id: str) -> bool:
    """Whether the job ended, or its record was forgotten since."""
    job = jobs.get(job_id)
    return job is None or job.state.final
