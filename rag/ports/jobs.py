"""The role that stores job records."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
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
    JobStatistics,
    Json,
    Lease,
    NewJob,
    Progress,
    RecentWork,
    Stage,
    Taken,
)
from rag.ports.paging import Window


class Turn(Protocol):
    """Truthy as long as the caller holds the lock. Check it before each step that only one may do."""

    def __bool__(self) -> bool: ...


class JobStore(Protocol):
    """Job records, their events and their small artefacts.

    Every change is one atomic step. Every method may raise Unavailable.
    """

    def admit(
        self, kind: JobKind, *, most_open: int, owner: str = "", idempotency_key: str | None = None
    ) -> None:
        """Return if ``accept`` would take a job of this kind and owner now; else raise Overloaded."""
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
        """Record a queued job, or return the one that an earlier submit with the same key made.

        IdempotencyMismatch when the key was used with another digest. Overloaded, with the time after
        which there should be room, when ``most_open`` jobs of this kind are not over yet, or when the owner
        has MAX_OPEN_JOBS_PER_KEY of them. A submit that repeats an accepted one is never refused.
        """
        ...

    def get(
        self, job_id: str, *, collections: Sequence[str] | None = None, asker: str | None = None
    ) -> Job | None:
        """The job, with its ``queue_position`` (1 is next; None unless queued). None if it is not there.

        ``collections`` and ``asker`` as for ``page``. A job that they exclude takes no more time than one
        that is not there, so that the time tells nothing.
        """
        ...

    def visible(
        self, job_ids: Sequence[str], *, collections: Sequence[str] | None = None, asker: str | None = None
    ) -> list[str]:
        """Those of ``job_ids`` that ``get`` would return, in the same order."""
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
        """Jobs, newest first. No ``states`` or ``kinds``: any. ``collections`` None: all.

        ``document_id``: only jobs that bring or delete a document of this id. ``asker``: of questions, only
        those of this owner. InvalidCursor.
        """
        ...

    def due(self, stages: Sequence[Stage], *, lease_seconds: float, worker: str = "") -> Sequence[DueStage]:
        """The stages at which a job is due, each with its oldest job; the longest waiting job first.

        A job is due when it is queued, the pause before its next attempt is over, and its entry in the
        journal, if it needs one, is written.

        This call also queues abandoned jobs again. A running job is abandoned when its lease has run out,
        after a short grace in which a worker that could not reach the records may renew it. Jobs that this
        ``worker`` began with its last ``take``, and that are not over, are abandoned at once: its child
        process held them, and died. "": a caller without a name.
        """
        ...

    def take(self, stage: Stage, *, lease_seconds: float, worker: str, bounds: Bounds) -> Taken:
        """Begin jobs that are due at ``stage``. Owners take turns; of each owner, the oldest job is next.

        Each job becomes running under a new token, with one more attempt; each attempt but the first counts
        as a retry. The next turn is that of the owner who has had least of the stage. ``bounds``: of the
        number of jobs, and of the sum of their sizes, which ``advance`` gave (1 otherwise). A job that was
        begun at this stage before, or released as ``solo``, is begun alone.

        ``worker``: the name of a worker with one slot, as for ``due``.
        """
        ...

    def others_wait(self, owner: str, stages: Sequence[Stage]) -> bool:
        """Whether a job of another owner is due at one of ``stages``."""
        ...

    def extend(self, lease: Lease, *, lease_seconds: float) -> bool:
        """Prolong the lease. False when it is lost: newer token, job over or cancelled, or held too long."""
        ...

    def progress(self, lease: Lease, progress: Progress) -> bool:
        """Record the progress of a running job. False when the lease is lost."""
        ...

    def emit(self, lease: Lease, kind: EventKind, data: Json) -> bool:
        """Append an event of a running job. False when the lease is lost."""
        ...

    def advance(  # noqa: PLR0913 - what is known of the next stage
        self,
        lease: Lease,
        stage: Stage,
        *,
        seconds: float,
        size: int = 1,
        delay: float = 0.0,
        error: Json | None = None,
        waits_for: str = "",
        saves: Mapping[str, bytes] = MappingProxyType({}),
    ) -> bool:
        """The stage is done after ``seconds`` of work: queue the job at ``stage``. False: lease lost.

        The same ``stage`` again means that a slice of it is done; its retries are then counted from 0.

        ``size``: how much there is to do there, such as the number of chunks. ``delay``: seconds until the
        job is due there, 300 at most. ``error``, or ``waits_for`` in words: why it rests until then.
        ``saves``: artefacts that are stored in the same step.
        """
        ...

    def requeue(self, lease: Lease, *, error: Json, delay: float = 0.0, counted: bool = True) -> bool:
        """Give the stage back for another attempt after ``delay`` seconds, 300 at most. False: lease lost.

        Not ``counted``: this attempt is neither one of MAX_ATTEMPTS nor of MAX_RETRIES_PER_JOB.
        """
        ...

    def release(self, lease: Lease, *, solo: bool = False) -> bool:
        """Give the stage back as if this attempt had not begun, since its worker ends. False: lease lost.

        ``solo``: until the stage is done, no other job is worked beside this one.
        """
        ...

    def finish(  # noqa: PLR0913 - each tells something else of the end
        self,
        lease: Lease,
        state: JobState,
        *,
        seconds: float = 0.0,
        result: Json | None = None,
        error: Json | None = None,
        tally: Mapping[str, int] | None = None,
    ) -> bool:
        """End the job. False, and nothing written, when the lease is lost.

        ``tally``: what grows by how much in the statistics, in the same step: see ``rag.model.statistics``.
        The ``reason`` of a dead job is the code at the end of its error's ``type``.
        """
        ...

    def finish_together(self) -> AbstractContextManager[None]:
        """Within it, ``finish`` may leave what must outlive the broker's data for its end, all at once."""
        ...

    def cancel(self, job_id: str) -> Job:
        """End a job that is not over, as cancelled. NotFound; Conflict when it is over."""
        ...

    def retry(self, job_id: str, *, most_open: Mapping[JobKind, int] | None = None) -> Job:
        """Queue a failed, dead or cancelled job again at its stage. NotFound; Conflict otherwise.

        Overloaded as for ``accept``; a kind that is not in ``most_open`` has no limit. A deadline is
        moved, so that the job gets as much time as it had at first.
        """
        ...

    def put_artefact(self, lease: Lease, name: str, data: bytes) -> bool:
        """Store a stage's output, a few MB at most, until the job succeeds or its record expires.

        False when the lease is lost.
        """
        ...

    def artefact(self, job_id: str, name: str) -> bytes:
        """The output that a stage stored. NotFound when it was never stored or has expired."""
        ...

    def artefacts(self, names: Sequence[str], job_ids: Sequence[str]) -> list[dict[str, bytes]]:
        """For each job those of the named outputs that were stored and have not expired, by name."""
        ...

    def events(self, job_id: str, *, after: str | None = None) -> list[JobEvent]:
        """The job's events in order, only those after the event ``after``. InvalidRequest."""
        ...

    def news(self, heard: Mapping[str, str | None]) -> JobNews:
        """The events of these jobs after the last ones that the caller has ``heard``; None: all of them.

        InvalidRequest for text that is not the id of an event.
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
        """The dead letters, newest first. ``reason`` None: of every class. The rest as for ``page``."""
        ...

    def drop(self, job_id: str) -> Job:
        """End a dead letter as failed. NotFound; Conflict when it is not dead."""
        ...

    def expired(self, *, limit: int) -> list[Job]:
        """Queued jobs whose deadline has passed."""
        ...

    def expire(self, job_id: str, *, error: Json) -> bool:
        """End a queued job whose deadline has passed as failed. False when it is no such job."""
        ...

    def alone(
        self, duty: str, *, seconds: float, followed_after: float | None = None
    ) -> AbstractContextManager[Turn]:
        """A lock on ``duty``: truthy if the caller holds it, until it leaves or ``seconds`` have passed.

        ``followed_after``: seconds after which another caller may follow one that was killed, the same for
        all callers; default: ``seconds``. After a server was frozen for as long, two may hold the lock.
        """
        ...

    def depth(self, stage: Stage) -> int:
        """How many jobs are queued at this stage."""
        ...

    def counts(self) -> Mapping[JobState, int]:
        """How many jobs there are in each state."""
        ...

    def coming(self, collection: str) -> int:
        """How many of the collection's ingestions are queued or running. Cheap: one number is read."""
        ...

    def coming_of(self, collection: str, document_id: str) -> Sequence[str]:
        """Ids of the queued and running ingestions that bring this document, 100 at most."""
        ...

    def figures(self) -> JobFigures:
        """The figures of the queue, for metrics."""
        ...

    def statistics(self) -> JobStatistics:
        """What was counted of the jobs' work. The counts begin at 0 again where the records were lost."""
        ...

    def longest_waiting(self, *, limit: int) -> Sequence[Job]:
        """The jobs that have been queued longest, so many of each stage, and those whose leases end first."""
        ...

    def abandon(self, job: Job) -> bool:
        """End the lease of a running job whose worker is gone, so that another takes it over.

        False, and nothing changed, when the lease was renewed since ``job`` was read, or the job went on.
        """
        ...

    def recent_work(self) -> RecentWork:
        """How many attempts ended in the last minutes, at which stage and when."""
        ...

    def leftovers(self, *, limit: int) -> list[Job]:
        """Ingestions that ended without success, and may have left points and artefacts behind."""
        ...

    def tidy(self, job_id: str, *, seconds: float) -> Job | None:
        """The record of a job whose leftovers may be removed now: it cannot be retried for ``seconds``.

        None when the job is not over, or dead: then its leftovers are still needed.
        """
        ...

    def confirm_tidy(self, job_id: str, *, lease: Lease | None = None) -> None:
        """Note that the leftovers are removed, as ``tidy`` allowed.

        ``lease``: that of the attempt that removed them and writes no more. If another attempt may still
        write, the job is among the ``leftovers`` again later.
        """
        ...

    def prune(self, *, finished_before: float, dead_before: float, most: int, limit: int) -> Sequence[Job]:
        """Remove jobs that ended before ``finished_before``, and dead ones of before ``dead_before``.

        Then the oldest are removed, until ``most`` are left. At most ``limit`` are removed for each reason.
        Returns their records as they were, without results.
        """
        ...

    def ping(self) -> None:
        """Return if the records can be used; Unavailable otherwise, also while lost ones are rebuilt."""
        ...


def is_over(jobs: JobStore, job_id: str) -> bool:
    """Whether the job has ended, or its record is gone."""
    job = jobs.get(job_id)
    return job is None or job.state.final
