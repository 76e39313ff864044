"""The role that stores batches: documents that were submitted together, as jobs of their own."""

from collections.abc import Sequence
from typing import Protocol

from rag.errors import Overloaded
from rag.model import Batch, BatchOptions, BatchStanding, Json, NewJob


class BatchStore(Protocol):
    """Batches and their jobs. Every method may raise Unavailable."""

    def begin(self, *, idempotency_key: str | None, body_digest: str) -> Batch:
        """A new batch, or the one that an earlier submit with the same key began.

        It has an ``answer`` if that submit was completed. IdempotencyMismatch when the key was used with
        another digest.
        """
        ...

    def accept(
        self, jobs: Sequence[NewJob], parts: Sequence[str] | None, options: BatchOptions
    ) -> Sequence[tuple[str, str] | Overloaded]:
        """Record ingestions. Returns the job's and the document's id of each, or why it is refused.

        ``parts``: what tells each document from the others of a submit that may be repeated; a part that was
        recorded before has its earlier job, not the new one. None: it may not be repeated. No job begins
        before :meth:`complete`.
        """
        ...

    def complete(
        self, batch_id: str, job_ids: Sequence[str], answer: Json, key: tuple[str, str] | None
    ) -> Batch:
        """Promise all jobs of the batch: they survive the loss of the records once this returns.

        ``key``: the Idempotency-Key of the submit and the digest of its body. If this fails as Unavailable,
        those of ``job_ids`` that were new are not recorded any more.
        """
        ...

    def abandon(self, batch_id: str, key: tuple[str, str] | None) -> None:
        """Forget that a batch without jobs was begun, so that its key is free."""
        ...

    def get(self, batch_id: str) -> Batch | None: ...

    def standing(self, batch_id: str) -> BatchStanding:
        """How its jobs stand, read in slices, so that other callers do not wait."""
        ...

    def cancel(self, batch_id: str) -> int:
        """End all jobs of the batch that are not over, as cancelled. Returns how many they were."""
        ...
