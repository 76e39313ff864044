"""Submitting changes of a document's title and metadata."""

from dataclasses import dataclass
from time import time

from rag.errors import Conflict, NotFound
from rag.model import Document, JobKind, Json, NewJob, Stage
from rag.naming import generation_name, new_id
from rag.ports import Accepted, BlobStore, DocumentRegistry, JobStore
from rag.settings import Settings
from tasks.documents.blob_keys import source_key
from tasks.documents.quotas import check_metadata
from tasks.submit.acceptance import Acceptance
from tasks.submit.requests import Idempotency


@dataclass(frozen=True, slots=True)
class Change:
    """What the document shall have. ``metadata`` replaces all it had; ``title`` None: it keeps its title."""

    title: str | None
    metadata: Json


class ChangeSubmissions:
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
        """Make a version of ``document``, as it is seen now, that differs only by the change.

        Conflict while another version is on its way. Overloaded, DocumentTooLarge.
        """
        if earlier := self._acceptance.repeated(idempotency):
            return earlier
        self._acceptance.admit(JobKind.INGEST, idempotency, owner)
        check_metadata(self._settings, change.metadata, document.chunks)
        if coming := self._jobs.coming_of(document.collection, document.document_id):
            raise Conflict(
                f"Another version of the document is on its way, as job {coming[0]}: send the change after it"
            )
        job_id, folder = new_id(), generation_name(document.collection, document.generation)
        source = source_key(folder, job_id)
        try:  # the new version needs bytes of its own: those of the present version go with it
            self._blobs.copy(document.source_key, source)
        except NotFound as error:
            raise Conflict("The document was replaced or deleted in this moment") from error
        version = self._documents.next_version(document.collection, document.document_id)
        title = change.title or document.given_title or None
        inputs: Json = {
            "document_id": document.document_id,
            "generation": document.generation,
            "title": title,
            "metadata": change.metadata,
            "accepted_at": time(),
            "source_key": source,
            "media_type": document.media_type,
            "filename": None if title else document.title,
            "revises": document.version,  # the version that is changed
            "keeper": document.owner,
            "version": version,
            **({"parent": document.parent} if document.parent else {}),
        }
        job = NewJob(job_id, JobKind.INGEST, Stage.PARSE, document.collection, inputs, owner=owner)
        return self._acceptance.hand_in(job, idempotency, orphan=source)
