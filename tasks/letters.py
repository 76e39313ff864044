"""Dead letters: run them again, or give them up."""

from collections.abc import Callable, Container, Iterator, Sequence

from rag.errors import Conflict, NotFound
from rag.model import Job, JobKind, JobState
from rag.ports import BlobStore, DocumentRegistry, JobStore
from tasks.keeping import discard_all

_PAGE = 100


class DeadLetters:
    """``send`` puts a queued job on its way."""

    def __init__(
        self, jobs: JobStore, documents: DocumentRegistry, blobs: BlobStore, send: Callable[[Job], None]
    ) -> None:
        self._jobs = jobs
        self._documents = documents
        self._blobs = blobs
        self._send = send

    def replay(self, job_id: str) -> Job:
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(f"there is no job {job_id}")
        if job.state is not JobState.DEAD:
            raise Conflict(f"job {job_id} is {job.state}: only dead letters are replayed")
        replayed = self._jobs.retry(job_id)
        self._send(replayed)
        return replayed

    def drop(self, job_id: str) -> Job:
        """The blobs go at once, the points when the sweeper comes."""
        job = self._jobs.drop(job_id)
        if job.kind is JobKind.INGEST:
            discard_all(self._documents, self._blobs, job)
        return job

    def replay_all(
        self, reason: str | None, collections: Sequence[str] | None, kinds: Container[JobKind]
    ) -> int:
        return sum(_done(self.replay, job) for job in self._all(reason, collections, kinds))

    def drop_all(
        self, reason: str | None, collections: Sequence[str] | None, kinds: Container[JobKind]
    ) -> int:
        return sum(_done(self.drop, job) for job in self._all(reason, collections, kinds))

    def _all(
        self, reason: str | None, collections: Sequence[str] | None, kinds: Container[JobKind]
    ) -> Iterator[Job]:
        """Newest first, each once, whatever is replayed or dies meanwhile."""
        cursor = None
        while True:
            window = self._jobs.dead(reason=reason, collections=collections, cursor=cursor, limit=_PAGE)
            yield from (job for job in window.items if job.kind in kinds)
            cursor = window.next
            if cursor is None:
                return


def _done(do: Callable[[str], Job], job: Job) -> bool:
    """False when somebody else has replayed or dropped it meanwhile."""
    try:
        do(job.id)
    except (Conflict, NotFound):
        return False
    return True
