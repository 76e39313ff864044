"""How a job becomes a promise: recorded, then put on its way, and its bytes removed where it is not made."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from uuid_utils.compat import uuid7

from rag import tracing
from rag.errors import Conflict, Overloaded, Unavailable
from rag.model import Job, JobKind, NewJob
from rag.ports import Accepted, BlobStore, JobStore
from rag.subjects import named
from tasks import app as celery
from tasks.intake import Idempotency

log = logging.getLogger(__name__)


def new_id() -> str:
    """Of a job; it tells when it was made."""
    return str(uuid7())


class Acceptance:
    """``most_open``: how many jobs of a kind may be open; of a kind without a number any."""

    def __init__(
        self,
        jobs: JobStore,
        blobs: BlobStore,
        publish: Callable[[Job], None],
        most_open: Mapping[JobKind, int],
    ) -> None:
        self._jobs = jobs
        self._blobs = blobs
        self._publish = publish
        self._most_open = most_open

    def admit(self, kind: JobKind, idempotency: Idempotency | None, owner: str) -> None:
        """Refuse before anything is stored. Overloaded."""
        key = idempotency.key if idempotency else None
        self._jobs.admit(kind, most_open=self._most_open[kind], owner=owner, idempotency_key=key)

    def hand_in(
        self, job: NewJob, idempotency: Idempotency | None = None, *, orphan: str | None = None
    ) -> Accepted:
        """Record the job and put it on its way; ``orphan``: its own blob. IdempotencyMismatch, Overloaded."""
        accepted = self._accept(job, idempotency, orphan)
        if accepted.new:
            self.send(accepted.job)
        return accepted

    def again(self, job_id: str) -> Job:
        """Queue a job that ended badly again, and put it on its way. NotFound, Conflict, Overloaded."""
        job = self._jobs.retry(job_id, most_open=self._most_open)
        self.send(job)
        return job

    def send(self, job: Job) -> None:
        """Put a queued job on its way."""
        try:
            self._publish(job)
        except celery.PUBLISH_ERRORS as error:
            log.warning("%s is recorded but not queued yet, the sweeper will: %s", named(job), error)

    def _accept(self, job: NewJob, idempotency: Idempotency | None, orphan: str | None) -> Accepted:
        """Record the job; bytes stored for a job that is not made go again."""
        key, digest = (idempotency.key, idempotency.body_digest) if idempotency else (None, "")
        most = self._most_open.get(job.kind)
        try:
            with tracing.submitted(job) as trace:
                accepted = self._jobs.accept(
                    replace(job, trace=trace), idempotency_key=key, body_digest=digest, most_open=most
                )
        except (Conflict, Overloaded):
            self._discard(orphan)
            raise
        except Unavailable:
            self._discard_unless_recorded(job.id, orphan)
            raise
        if not accepted.new:
            self._discard(orphan)
        return accepted

    def _discard_unless_recorded(self, job_id: str, key: str | None) -> None:
        """The record may be there, its answer lost, or taken back, its entry not written."""
        try:
            if self._jobs.get(job_id) is None:
                self._discard(key)
        except Unavailable as error:
            log.warning("job %s may be recorded or not, so its bytes stay: %s", job_id, error)

    def _discard(self, key: str | None) -> None:
        if key is not None:
            self._blobs.delete(key)
