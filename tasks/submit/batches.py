"""Submitting many documents at once: as one batch, whose documents are jobs of their own.

The bytes of all documents are stored first, then the records of their jobs, then one entry of the journal for
all of them. From that on they are promised, and workers may begin them. A submit that broke off before may be
repeated with its Idempotency-Key: what it had recorded keeps its jobs.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rag.errors import Overloaded, Unavailable
from rag.model import Batch, BatchOptions, Job, JobKind, Json, NewJob
from rag.ports import BatchStore, BlobStore, DocumentRegistry, JobStore
from rag.settings import Settings
from rag.telemetry import tracing
from tasks.submit.acceptance import Acceptance
from tasks.submit.batch_drafts import Draft, DraftStorage, Part, Refusal
from tasks.submit.requests import Idempotency

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """``explain``: what the answer says about an error. ``owner``: name of the caller's key."""

    explain: Callable[[Refusal], Json]
    owner: str = ""
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """``batch``: with its answer; ``new`` False: an earlier submit had the same key and body."""

    batch: Batch
    new: bool


class BatchSubmissions:
    """Where batches are handed in, and cancelled."""

    def __init__(  # noqa: PLR0913, PLR0917 - each part is a role of its own
        self,
        settings: Settings,
        jobs: JobStore,
        batches: BatchStore,
        documents: DocumentRegistry,
        blobs: BlobStore,
        publish: Callable[[Job], None],
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._batches = batches
        self._storage = DraftStorage(settings, documents, blobs)
        self._acceptance = Acceptance(jobs, blobs, publish, {JobKind.INGEST: settings.max_open_ingests})

    def repeated(self, idempotency: Idempotency | None) -> Batch | None:
        """The batch of an earlier submit with this key that was answered. IdempotencyMismatch."""
        if idempotency is None:
            return None
        key, digest = idempotency.key, idempotency.body_digest
        batch = self._batches.begin(idempotency_key=key, body_digest=digest)
        return batch if batch.answer is not None else None

    def submit(self, parts: Iterable[Part | Refusal], request: BatchRequest) -> SubmittedBatch:
        """Accept the documents as one batch; those that are refused leave nothing behind.

        Raises the error of the first refusal where no document is accepted. Overloaded, IdempotencyMismatch.
        """
        key, owner = request.idempotency, request.owner
        self._acceptance.admit(JobKind.INGEST, None, owner)
        begun = self._batches.begin(
            idempotency_key=key.key if key else None, body_digest=key.body_digest if key else ""
        )
        if begun.answer is not None:
            return SubmittedBatch(begun, new=False)
        draft = Draft(begun.id)
        try:
            self._storage.store(draft, parts, owner)
            batch = self._complete(draft, self._record(draft, request), request)
        except Exception:
            self._clean_up(draft, key)
            raise
        self._announce(draft.jobs.values())
        return SubmittedBatch(batch, new=True)

    def cancel(self, batch_id: str) -> int:
        """End all jobs of the batch that are not over. Returns how many they were."""
        return self._batches.cancel(batch_id)

    # --- records

    def _record(self, draft: Draft, request: BatchRequest) -> dict[int, tuple[str, str]]:
        """Record the jobs. Returns the job's and the document's id by position.

        Raises the error of the first document where none is accepted.
        """
        jobs = list(draft.jobs.values())
        if not jobs:
            raise _why_none(draft)
        with tracing.submitted(jobs[0]) as trace:
            options = BatchOptions(draft.batch_id, request.owner, trace, self._settings.max_open_ingests)
            answers = self._batches.accept(jobs, _parts_of(draft, request.idempotency), options)
        accepted = self._sort(draft, answers)
        if not accepted:
            raise _why_none(draft)
        return accepted

    def _sort(
        self, draft: Draft, answers: Sequence[tuple[str, str] | Overloaded]
    ) -> dict[int, tuple[str, str]]:
        """What was accepted, by position. Jobs that are not recorded leave the draft, and their bytes go."""
        accepted: dict[int, tuple[str, str]] = {}
        for (position, job), answer in zip(list(draft.jobs.items()), answers, strict=True):
            if isinstance(answer, Overloaded):
                draft.refusals.append(Refusal(position, answer, job.inputs["document_id"]))
            else:
                accepted[position] = answer
            if isinstance(answer, Overloaded) or answer[0] != job.id:
                del draft.jobs[position]
                if key := draft.stored.pop(job.id, None):
                    self._storage.discard([key])
        return accepted

    def _complete(self, draft: Draft, accepted: dict[int, tuple[str, str]], request: BatchRequest) -> Batch:
        """Promise the jobs, with the answer that a repeated submit gets too."""
        first_refusals = {each.position: each for each in draft.refusals}
        for position, first in draft.same_as.items():
            if first in accepted:
                accepted[position] = accepted[first]
            elif first in first_refusals:
                again = first_refusals[first]
                draft.refusals.append(Refusal(position, again.error, again.document_id))
        refusals = sorted(draft.refusals, key=lambda each: each.position)
        count = len(accepted) + len(refusals)
        answer: Json = {
            "jobs": [accepted.get(position) for position in range(count)],
            "refused": [request.explain(each) for each in refusals],
        }
        key = request.idempotency
        job_ids = list(dict.fromkeys(job_id for job_id, _ in accepted.values()))
        return self._batches.complete(
            draft.batch_id, job_ids, answer, (key.key, key.body_digest) if key else None
        )

    def _announce(self, jobs: Iterable[NewJob]) -> None:
        """Ring once for each lane in which jobs begin."""
        for job in {job.stage: job for job in jobs}.values():
            with suppress(Unavailable):
                if recorded := self._jobs.get(job.id):
                    self._acceptance.send(recorded)

    def _clean_up(self, draft: Draft, key: Idempotency | None) -> None:
        """Remove what was stored for jobs without a record. Where the records cannot be read, it stays."""
        try:
            self._storage.discard(
                [key for job_id, key in draft.stored.items() if self._jobs.get(job_id) is None]
            )
            self._batches.abandon(draft.batch_id, (key.key, key.body_digest) if key else None)
        except Unavailable as error:
            log.warning("bytes of batch %s stay, since its jobs may be recorded: %s", draft.batch_id, error)


def _why_none(draft: Draft) -> Exception:
    return min(draft.refusals, key=lambda each: each.position).error


def _parts_of(draft: Draft, idempotency: Idempotency | None) -> list[str] | None:
    """What tells the draft's jobs from those of other submits; None without an Idempotency-Key."""
    if idempotency is None:
        return None
    digests = {position: digest for digest, position in draft.digests.items()}
    return [f"{idempotency.key} {digests[position]}" for position in draft.jobs]
