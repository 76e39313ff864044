"""``JobStore`` on Redis whose jobs outlive Redis' data."""

import logging
from collections.abc import Mapping

from redis import Redis

from rag.errors import AegisError, Recovering
from rag.model import FIRST_STAGES, Job, JobKind, JobState, Json, Lease, NewJob, Stage
from rag.ports import Accepted
from rag.settings import Settings
from rag.stores.entries import JobFields, opening_of, over
from rag.stores.jobs.record import Record, fields_of, job_of
from rag.stores.jobs.store import RedisJobStore
from rag.stores.journal import Journal, journalled

_ENTRY_SECONDS = 30.0
"""After that whoever accepted a job has died before its entry was written."""

_LOST = "Redis lost its records just now: try again"

log = logging.getLogger(__name__)


class KeptJobStore(RedisJobStore):
    """Job records, of which ``journal`` has what the settings promise to keep.

    The record is written first, its entry before a method returns. What cannot be promised
    is not: without an entry, ``accept`` and ``retry`` fail as Unavailable. The end of a job that
    has worked stands without its entry too: at worst it is done once more.
    """

    def __init__(self, client: Redis, settings: Settings, journal: Journal) -> None:
        super().__init__(client, settings)
        self._journal = journal
        self._settings = settings

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
        """Writes nothing for a job that has its entry, since there may be no room for it."""
        record = self._earlier(idempotency_key, body_digest)
        if not record:
            return None
        return Accepted(job_of(record), new=False) if _kept(record) else self._promise(record, new=False)

    def _promise(self, record: Record, *, new: bool) -> Accepted:
        job, fields = job_of(record), fields_of(record)
        if journalled(self._settings, job.kind) and not over(fields):
            self._keep(fields, new=new)
        return Accepted(job=job, new=new)

    def retry(self, job_id: str, *, most_open: Mapping[JobKind, int] | None = None) -> Job:
        job = super().retry(job_id, most_open=most_open)
        if journalled(self._settings, job.kind):
            self._journal.reopen(opening_of(self._fields(job_id)))
            self._confirm(job_id)
        return job

    def _keep(self, fields: JobFields, *, new: bool) -> None:
        """Write the entry; of an accepted job again, since whoever accepted it may have died before."""
        try:
            self._journal.open(opening_of(fields))
        except AegisError:
            if new:
                self._on("undo", fields["id"])
            raise
        self._confirm(fields["id"])

    def _confirm(self, job_id: str) -> None:
        """Records that went before the entry was written were perhaps rebuilt without it."""
        if not self._on("keep", job_id):
            raise Recovering(_LOST)

    def _unkept(self, stage: Stage) -> float | None:
        """A job without its entry may still be undone."""
        first = FIRST_STAGES.get(stage)
        return _ENTRY_SECONDS if first is not None and journalled(self._settings, first) else None

    # --- ends

    def finish(
        self,
        lease: Lease,
        state: JobState,
        *,
        seconds: float = 0.0,
        result: Json | None = None,
        error: Json | None = None,
    ) -> bool:
        """Who waits hears of the end before its entry is written."""
        finished = super().finish(lease, state, seconds=seconds, result=result, error=error)
        if finished:
            self._settle(lease.job)
        return finished

    def cancel(self, job_id: str) -> Job:
        job = super().cancel(job_id)
        self._end(job)
        return job

    def drop(self, job_id: str) -> Job:
        job = super().drop(job_id)
        self._end(job)
        return job

    def expire(self, job_id: str, *, error: Json) -> bool:
        expired = super().expire(job_id, error=error)
        job = self.get(job_id) if expired else None
        if job is not None:
            self._settle(job)
        return expired

    def prune(self, *, finished_before: float, dead_before: float, most: int, limit: int) -> list[Job]:
        jobs = super().prune(finished_before=finished_before, dead_before=dead_before, most=most, limit=limit)
        for job in jobs:
            self._tidy(job)
        return jobs

    def _settle(self, job: Job) -> None:
        try:
            self._end(job)
        except AegisError as error:
            log.warning("job %s is over, and would run again if Redis lost its data: %s", job.id, error)

    def _end(self, job: Job) -> None:
        if journalled(self._settings, job.kind):
            self._journal.end(lambda: self._fields(job.id))

    def _tidy(self, job: Job) -> None:
        try:
            self._journal.forget(job.id)
        except AegisError as error:
            log.warning("job %s is forgotten, its entry in the journal is not: %s", job.id, error)

    def _fields(self, job_id: str) -> JobFields:
        record = self._on("get", job_id)
        if not record:
            raise Recovering(_LOST)
        return fields_of(record)


def _kept(record: Record) -> bool:
    return "kept" in fields_of(record)
