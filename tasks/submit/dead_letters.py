"""Dead letters: jobs that were given up. They are run again, or dropped."""

from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial

from rag.errors import Conflict, NotFound, Overloaded
from rag.model import Job, JobKind, JobState
from rag.ports import BlobStore, DocumentRegistry, JobStore, all_items
from tasks.documents.blob_keys import discard_all

_PAGE = 100


class DeadLetters:
    """``again`` queues a job that ended badly and sends it on its way, or raises Overloaded."""

    def __init__(
        self, jobs: JobStore, documents: DocumentRegistry, blobs: BlobStore, again: Callable[[str], Job]
    ) -> None:
        self._jobs = jobs
        self._documents = documents
        self._blobs = blobs
        self._again = again

    def replay(self, job_id: str) -> Job:
        """Run a dead letter again. NotFound; Conflict when it is not dead; Overloaded."""
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(f"there is no job {job_id}")
        if job.state is not JobState.DEAD:
            raise Conflict(f"job {job_id} is {job.state}: only dead letters are replayed")
        return self._again(job_id)

    def drop(self, job_id: str) -> Job:
        """End a dead letter as failed, and remove its blobs; the next sweep removes its points.

        NotFound; Conflict when it is not dead.
        """
        job = self._jobs.drop(job_id)
        if job.kind is JobKind.INGEST:
            discard_all(self._documents, self._blobs, job)
        return job

    def replay_all(
        self, reason: str | None, collections: Sequence[str] | None, kinds: Container[JobKind]
    ) -> tuple[int, int]:
        """Run dead letters again. Returns how many were queued, and how many the full queue left out.

        ``reason`` None: of every class. ``collections`` None: in every collection.
        """
        letters, replayed = self._all(reason, collections, kinds), 0
        for job in letters:
            try:
                replayed += _try(self.replay, job)
            except Overloaded:
                return replayed, 1 + sum(1 for _ in letters)
        return replayed, 0

    def drop_all(
        self, reason: str | None, collections: Sequence[str] | None, kinds: Container[JobKind]
    ) -> int:
        """Drop dead letters; returns how many. The arguments are as for :meth:`replay_all`."""
        return sum(_try(self.drop, job) for job in self._all(reason, collections, kinds))

    def _all(
        self, reason: str | None, collections: Sequence[str] | None, kinds: Container[JobKind]
    ) -> Iterator[Job]:
        """Newest first. Each is listed once, even if jobs are replayed or die meanwhile."""
        dead = partial(self._jobs.dead, reason=reason, collections=collections, limit=_PAGE)
        return (job for job in all_items(dead) if job.kind in kinds)


def _try(do: Callable[[str], Job], job: Job) -> bool:
    """Apply ``do``. False when another caller has replayed or dropped the job meanwhile."""
    try:
        do(job.id)
    except (Conflict, NotFound):
        return False
    return True
