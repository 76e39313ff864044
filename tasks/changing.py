"""The desk where changes of a document's title and metadata are handed in."""

from dataclasses import dataclass
from time import time

from rag.errors import Conflict, NotFound
from rag.model import Document, JobKind, Json, NewJob, Stage
from rag.naming import generation_name
from rag.ports import Accepted, BlobStore, DocumentRegistry, JobStore
from rag.settings import Settings
from tasks.acceptance import Acceptance, new_id
from tasks.intake import Idempotency
from tasks.keeping import source_key
from tasks.quotas import check_metadata


@dataclass(frozen=True, slots=True)
class Change:
    """What a document is to have: its ``metadata`` whole; ``title`` None: the one that it has."""

    title: str | None
    metadata: Json


class ChangeDesk:
    def __init__(
        self,
        settings: Settings,
        jobs: JobStore,
        documents: DocumentRegistry,
        blobs: BlobStore,
        acceptance: Acceptance,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._documents = documents
        self._blobs = blobs
        self._acceptance = acceptance

    def change(
        self, document: Document, change: Change, idempotency: Idempotency | None = None, *, owner: str = ""
    ) -> Accepted:
        """Make a version of the document that differs in nothing else; ``document`` as it is seen now.

        Conflict while another version is on its way. Overloaded, DocumentTooLarge.
        """
        earlier = idempotency and self._jobs.repeated(
            idempotency_key=idempotency.key, body_digest=idempotency.body_digest
        )
        if earlier:
            return earlier
        self._acceptance.admit(JobKind.INGEST, idempotency, owner)
        check_metadata(self._settings, change.metadata, document.chunks)
        if coming := self._jobs.coming_of(document.collection, document.document_id):
            raise Conflict(
                f"Another version of the document is on its way, as job {coming[0]}: send the change after it"
            )
        job_id, folder = new_id(), generation_name(document.collection, document.generation)
        source = self._own_source(document, source_key(folder, job_id))
        version = self._documents.next_version(document.collection, document.document_id)
        inputs = {**_inputs(document, change, source), "version": version}
        job = NewJob(job_id, JobKind.INGEST, Stage.PARSE, document.collection, inputs, owner=owner)
        return self._acceptance.hand_in(job, idempotency, orphan=source)

    def _own_source(self, document: Document, key: str) -> str:
        """The bytes that the new version keeps, since those of the present one go with it."""
        try:
            self._blobs.copy(document.source_key, key)
        except NotFound as error:
            raise Conflict("The document was replaced or deleted in this moment") from error
        return key


def _inputs(document: Document, change: Change, source: str) -> Json:
    """Those of an ingestion that brings the document; ``revises`` tells which version it changes."""
    title = change.title or document.given_title or None
    return {
        "document_id": document.document_id,
        "generation": document.generation,
        "title": title,
        "metadata": change.metadata,
        "accepted_at": time(),
        "source_key": source,
        "media_type": document.media_type,
        "filename": None if title else document.title,
        "revises": document.version,
        "keeper": document.owner,
    }
