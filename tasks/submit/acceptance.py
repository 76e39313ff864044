"""Accepting jobs: a job is recorded, then sent on its way. The bytes of a job that is refused are removed."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from rag.errors import Conflict, Overloaded, Unavailable
from rag.jobs.subjects import named
from rag.model import Job, JobKind, NewJob
from rag.ports import Accepted, BlobStore, JobStore
from rag.telemetry import tracing
from tasks import app as celery
from tasks.submit.requests import Idempotency

log = logging.getLogger(__name__)


class Acceptance:
    """``most_open``: how many jobs of a kind may be open; a kind without a number has no limit."""

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
        """Raise Overloaded if a job of this kind would be refused now, before anything of it is stored."""
        key = idempotency.key if idempotency else None
        self._jobs.admit(kind, most_open=self._most_open[kind], owner=owner, idempotency_key=key)

    def repeated(self, idempotency: Idempotency | None) -> Accepted | None:
        """The job of an earlier submit with this key; None for a new one. IdempotencyMismatch."""
        if idempotency is None:
            return None
        return self._jobs.repeated(idempotency_key=idempotency.key, body_digest=idempotency.body_digest)

    def hand_in(
        self,
        job: NewJob,
        idempotency: Idempotency | None = None,
        *,
        orphan: str | None = None,
        promised: bool = False,
    ) -> Accepted:
        """Record the job and send it on its way. ``orphan``: key of a blob that only this job needs.

        The blob is removed when the job is not recorded. ``promised``: it belongs to a job that was accepted,
        so it is accepted however many are open. Raises IdempotencyMismatch, Overloaded.
        """
        key, digest = (idempotency.key, idempotency.body_digest) if idempotency else (None, "")
        most = None if promised else self._most_open.get(job.kind)
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
        if accepted.new:
            self.send(accepted.job)
        else:
            self._discard(orphan)
        return accepted

    def again(self, job_id: str) -> Job:
        """Queue a job that ended badly again, and send it on its way. NotFound, Conflict, Overloaded."""
        job = self._jobs.retry(job_id, most_open=self._most_open)
        self.send(job)
        return job

    def send(self, job: Job) -> None:
        """Tell a worker of a queued job. Without a broker, a canary finds the job later."""
        try:
            self._publish(job)
        except celery.PUBLISH_ERRORS as error:
            log.warning("%s is recorded, but no worker can be told of it yet: %s", named(job), error)

    def _discard_unless_recorded(self, job_id: str, key: str | None) -> None:
        """Remove the blob only if there is no record.

        When the store was away, the record may be there and only its answer was lost, or it may have been
        undone because its entry in the journal could not be written.
        """
        try:
            if self._jobs.get(job_id) is None:
                self._discard(key)
        except Unavailable as error:
            log.warning("job %s may be recorded or not, so its bytes stay: %s", job_id, error)

    def _discard(self, key: str | None) -> None:
        if key is not None:
            self._blobs.delete(key)
