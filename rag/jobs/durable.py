"""``JobStore`` on Redis with a journal in the blob store, from which lost records are rebuilt."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from redis import Redis

from rag.errors import AegisError, Recovering
from rag.jobs.scripts import Record, dumped, fields_of, job_of
from rag.jobs.store import RedisJobStore
from rag.journal.entries import JobFields, opening_of, over
from rag.journal.journal import Journal, journalled
from rag.model import FIRST_STAGES, Job, JobKind, JobState, Json, Lease, NewJob, Stage
from rag.ports import Accepted
from rag.settings import Settings

_ENTRY_SECONDS = 30.0
"""After this time, the process that accepted a job is taken for dead before it wrote the entry."""

_LOST = "Redis lost its records just now: try again"

log = logging.getLogger(__name__)

Ended = tuple[Job, Callable[[], JobFields]]
"""A job that is over, and a call that reads its record."""


class DurableJobStore(RedisJobStore):
    """Job records with entries in ``journal`` for the kinds of jobs that the settings name.

    The record is written first, its entry before a method returns. A job is promised only with its
    entry: without it, ``accept`` and ``retry`` fail as Unavailable. The end of a job is valid
    without its entry: at worst the job is done once more.
    """

    def __init__(self, client: Redis, settings: Settings, journal: Journal) -> None:
        super().__init__(client, settings)
        self._journal = journal
        self._journalled = frozenset(kind for kind in JobKind if journalled(settings, kind))
        self._together: list[Ended] | None = None

    # --- beginnings

    def accept(
        self,
        job: NewJob,
        *,
        idempotency_key: str | None = None,
        body_digest: str = "",
        most_open: int | None = None,
    ) -> Accepted:
        record, new = self._recorded(job, idempotency_key, body_digest, most_open)
        return self._promise(record, new=new)

    def repeated(self, *, idempotency_key: str, body_digest: str) -> Accepted | None:
        record = self._earlier(idempotency_key, body_digest)
        if not record:
            return None
        if "kept" in fields_of(record):  # has its entry: writes nothing, since there may be no room
            return Accepted(job_of(record), new=False)
        return self._promise(record, new=False)

    def _promise(self, record: Record, *, new: bool) -> Accepted:
        """Write the job's entry. A repeated submit writes it again: the first caller may have died before."""
        job, fields = job_of(record), fields_of(record)
        if job.kind in self._journalled and not over(fields):
            try:
                self._journal.open(opening_of(fields))
            except AegisError:
                if new:
                    self._on("undo", job.id)
                raise
            self._confirm(job.id)
        return Accepted(job=job, new=new)

    def retry(self, job_id: str, *, most_open: Mapping[JobKind, int] | None = None) -> Job:
        job = super().retry(job_id, most_open=most_open)
        if job.kind in self._journalled:
            self._journal.reopen(opening_of(self._fields(job_id)))
            self._confirm(job_id)
        return job

    def _confirm(self, job_id: str) -> None:
        """Note that the entry is written. Recovering if the record is gone, so perhaps rebuilt without it."""
        if not self._on("keep", job_id):
            raise Recovering(_LOST)

    def _journal_grace(self, stage: Stage) -> float | None:
        """A job without its entry may still be undone, so no worker may begin it."""
        first = FIRST_STAGES.get(stage)
        return _ENTRY_SECONDS if first is not None and first in self._journalled else None

    # --- ends

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
        """Callers that wait hear of the end before its entry is written."""
        told = seconds, dumped(result), dumped(error)
        answer = self._write_end(lease, state, *told, tally=tally or {})
        if not answer:
            return False
        ended = self._ended(lease.job) if answer == 1 else (lease.job, partial(fields_of, answer))
        if self._together is not None:
            self._together.append(ended)
        else:
            self._try_end(ended)
        return True

    @contextmanager
    def finish_together(self) -> Iterator[None]:
        """One thread at a time: a worker's."""
        self._together = []
        try:
            yield
        finally:
            jobs, self._together = self._together, None
            self._try_end(*jobs)

    def _ended(self, job: Job) -> Ended:
        return job, partial(self._fields, job.id)

    def cancel(self, job_id: str) -> Job:
        job = super().cancel(job_id)
        self._end(self._ended(job))
        return job

    def drop(self, job_id: str) -> Job:
        job = super().drop(job_id)
        self._end(self._ended(job))
        return job

    def expire(self, job_id: str, *, error: Json) -> bool:
        expired = super().expire(job_id, error=error)
        job = self.get(job_id) if expired else None
        if job is not None:
            self._try_end(self._ended(job))
        return expired

    def prune(self, *, finished_before: float, dead_before: float, most: int, limit: int) -> list[Job]:
        jobs = super().prune(finished_before=finished_before, dead_before=dead_before, most=most, limit=limit)
        try:
            self._journal.forget({job.id: job.batch for job in jobs})
        except AegisError as error:
            log.warning(
                "%d jobs are forgotten, but entries of theirs in the journal stay: %s", len(jobs), error
            )
        return jobs

    def _try_end(self, *ended: Ended) -> None:
        try:
            self._end(*ended)
        except AegisError as error:
            ids = " ".join(job.id for job, _ in ended)
            log.warning("these are over, but would run again if Redis lost its data: %s: %s", ids, error)

    def _end(self, *ended: Ended) -> None:
        self._journal.end(*(record for job, record in ended if job.kind in self._journalled))

    def _fields(self, job_id: str) -> JobFields:
        record = self._on("get", job_id)
        if not record:
            raise Recovering(_LOST)
        return fields_of(record)
