"""All that the API calls: accept a job, record it, publish it.

The order survives a crash between any two steps. The bytes are stored first, so that
no record ever names bytes that are not there; the record is written next, in one step
together with its Idempotency-Key, and from then on the job is promised; publishing comes
last, and when it fails the sweeper does it later from the record. What is deleted is
hidden in the step that notes what to purge; when no job is made of the note, the sweeper does.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from time import time

from rag.errors import Conflict, NotFound, UnknownCollection
from rag.model import Collection, Job, JobKind, Json, NewJob, Removal, Stage
from rag.naming import generation_name, second_document_id
from rag.ports import Accepted, BlobStore, DocumentRegistry, JobStore
from rag.settings import Settings
from rag.stores.backups.vault import Vault
from rag.subjects import first_words
from tasks import app as celery
from tasks.acceptance import Acceptance, new_id
from tasks.bells import announce
from tasks.changing import Change, ChangeDesk
from tasks.intake import (
    Idempotency,
    Ingestion,
    Link,
    Question,
    Reindexing,
    Text,
    Upload,
    content_of,
    default_document_id,
    size_of,
)
from tasks.keeping import source_key
from tasks.letters import DeadLetters
from tasks.orders import BackupDesk, Restoring
from tasks.publishing import Publisher, prepare
from tasks.purging import assign_purge_job
from tasks.quotas import Arrival, check_room
from tasks.reindexing import LayoutDesk

__all__ = [
    "LANES",
    "Change",
    "Idempotency",
    "Ingestion",
    "Link",
    "Publisher",
    "Question",
    "Reindexing",
    "Restoring",
    "Submissions",
    "Text",
    "Upload",
    "prepare",
]

LANES: tuple[str, ...] = tuple(lane.name for lane in celery.LANES)


def most_open(settings: Settings) -> Mapping[JobKind, int]:
    """How many jobs of a kind may be queued or running; a kind without a number as many as come."""
    return {JobKind.INGEST: settings.max_open_ingests, JobKind.QUERY: settings.max_open_queries}


class Submissions:
    """The desk where jobs are handed in."""

    def __init__(
        self,
        settings: Settings,
        jobs: JobStore,
        documents: DocumentRegistry,
        blobs: BlobStore,
        publish: Callable[[Job], None] = announce,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._documents = documents
        self._blobs = blobs
        self._acceptance = Acceptance(jobs, blobs, publish, most_open(settings))
        self._letters = DeadLetters(jobs, documents, blobs, self._acceptance.again)
        self.changes = ChangeDesk(settings, jobs, documents, blobs, self._acceptance)
        self.layouts = LayoutDesk(settings, jobs, documents, self._acceptance)
        self.backups = BackupDesk(Vault.of(settings), jobs, documents, self._acceptance)

    def ingest(
        self, ingestion: Ingestion, idempotency: Idempotency | None = None, *, owner: str = ""
    ) -> Accepted:
        """Take a document in; ``job.inputs["document_id"]`` is its id. Creates the collection if need be.

        Overloaded when MAX_OPEN_INGESTS are open: then nothing is made and no byte kept.
        ``owner``: name of the key that asks, here and below. QuotaExceeded when it may keep no more.
        """
        self._acceptance.admit(JobKind.INGEST, idempotency, owner)
        job_id = new_id()
        document_id = ingestion.document_id or default_document_id(ingestion.source)
        arrival = Arrival(owner, ingestion.collection, document_id, size_of(ingestion.source))
        check_room(self._settings, self._documents, arrival)
        collection = self._collection(ingestion.collection)
        document_id, version = self._placed(ingestion, document_id)
        source = self._store_source(source_key(collection.folder, job_id), ingestion.source)
        job = NewJob(
            id=job_id,
            kind=JobKind.INGEST,
            stage=JobKind.INGEST.first_stage(source),
            collection=ingestion.collection,
            inputs={
                "document_id": document_id,
                "generation": collection.generation,
                "version": version,
                "title": ingestion.title,
                "metadata": ingestion.metadata or {},
                "accepted_at": time(),
                **source,
            },
            owner=owner,
        )
        return self._acceptance.hand_in(job, idempotency, orphan=source.get("source_key"))

    def bring(
        self,
        collection: str,
        inputs: Json,
        source: str | None,
        idempotency: Idempotency,
        *,
        owner: str = "",
    ) -> Accepted:
        """Take in what an ingestion has brought before, as the very version that ``inputs`` tells.

        ``source``: where its bytes are; None for an address. NotFound when they are gone; Overloaded.
        """
        earlier = self._jobs.repeated(idempotency_key=idempotency.key, body_digest=idempotency.body_digest)
        if earlier:
            return earlier
        self._acceptance.admit(JobKind.INGEST, idempotency, owner)
        job_id, own = new_id(), None
        if source is not None:
            own = source_key(generation_name(collection, inputs["generation"]), job_id)
            self._blobs.put(own, self._blobs.get(source))
            inputs = {**inputs, "source_key": own}
        stage = JobKind.INGEST.first_stage(inputs)
        job = NewJob(job_id, JobKind.INGEST, stage, collection, inputs, owner=owner)
        return self._acceptance.hand_in(job, idempotency, orphan=own)

    def _placed(self, ingestion: Ingestion, document_id: str) -> tuple[str, int]:
        """Id and version that the document gets. A generated id tells what it is, so none takes its place."""
        name, documents = ingestion.collection, self._documents
        if not ingestion.keep or ingestion.document_id is None:
            return document_id, documents.next_version(name, document_id)
        version = documents.claim(name, document_id)
        if version is None:
            document_id = second_document_id(document_id, content_of(ingestion.source))
            version = documents.next_version(name, document_id)
        return document_id, version

    def _collection(self, name: str) -> Collection:
        """Made with the embedding model in use where it is not there; else it keeps its own. Conflict."""
        settings = self._settings
        collection = self._documents.collection(name)
        if collection is None:
            collection, _ = self._documents.put_collection(
                name, settings.embedding_name, settings.dimension, most=settings.max_collections
            )
        if settings.embedder_of(collection.embedding_model) is None:
            raise Conflict(
                f"Collection {name!r} was embedded by {collection.embedding_model}, which this installation "
                "has no access to: give it the model's address or key, or use another collection"
            )
        return collection

    def ask(self, question: Question, idempotency: Idempotency | None = None, *, owner: str = "") -> Accepted:
        """Take a question in. Overloaded when MAX_OPEN_QUERIES are open.

        UnknownCollection, except for the default one: that may be empty still.
        """
        self._check_collection(question.collection)
        job = NewJob(
            id=new_id(),
            kind=JobKind.QUERY,
            stage=Stage.EMBED_QUERY,
            collection=question.collection,
            inputs={
                "question": question.question,
                "top_k": question.top_k,
                "top_n": question.top_n,
                "where": question.where,
                "generate": question.generate,
                "stream": question.stream,
                "cache": question.cache,
            },
            deadline=time() + (question.timeout or self._settings.api_timeout),
            owner=owner,
        )
        return self._acceptance.hand_in(job, idempotency)

    def _check_collection(self, name: str) -> None:
        if name != self._settings.collection_name and self._documents.collection(name) is None:
            raise UnknownCollection(
                f"There is no collection {name!r}: ingest a document into it, "
                f"or create it with PUT /v1/collections/{name}"
            )

    def delete_document(self, collection: str, document_id: str, *, owner: str = "") -> Job:
        """Hide the document now and have its points and blobs removed. NotFound when it is not there.

        A call that broke off may be made again: it gets the same job while nobody else has made it.
        """
        removal = self._documents.delete(collection, document_id)
        if removal is None:
            raise NotFound(f"There is no document {document_id!r} in collection {collection!r}")
        return self._purge(removal, owner)

    def drop_collection(self, name: str, *, owner: str = "") -> Job:
        """Hide the collection now and have everything of it removed. NotFound when it is not there."""
        removal = self._documents.drop_collection(name)
        if removal is None:
            raise NotFound(f"There is no collection {name!r}")
        return self._purge(removal, owner)

    def cancel(self, job_id: str) -> Job:
        """NotFound; Conflict when the job is over. What was made beside what serves goes at once."""
        job = self._jobs.cancel(job_id)
        if job.kind in (JobKind.REINDEX, JobKind.REHEARSE, JobKind.RESTORE):
            self.layouts.look_after()
        return job

    def retry(self, job_id: str) -> Job:
        """Queue a job that ended badly again, at the stage where it did. NotFound; Conflict; Overloaded.

        A question gets as long as it had at first.
        """
        return self._acceptance.again(job_id)

    def replay(self, job_id: str) -> Job:
        """Run a dead letter again. NotFound; Conflict when it is not dead; Overloaded."""
        return self._letters.replay(job_id)

    def drop(self, job_id: str) -> Job:
        """Give a dead letter up: it fails, and what it stored goes. NotFound; Conflict when not dead."""
        return self._letters.drop(job_id)

    def replay_all(
        self, reason: str | None, collections: Sequence[str] | None, kinds: Container[JobKind]
    ) -> tuple[int, int]:
        """How many dead letters are run again, and how many there was no room for.

        None means of every class, and in every collection.
        """
        return self._letters.replay_all(reason, collections, kinds)

    def drop_all(
        self, reason: str | None, collections: Sequence[str] | None, kinds: Container[JobKind]
    ) -> int:
        """How many dead letters were dropped; None means of every class, and in every collection."""
        return self._letters.drop_all(reason, collections, kinds)

    def _purge(self, removal: Removal, owner: str) -> Job:
        accepted = assign_purge_job(self._jobs, self._documents, removal, owner=owner)
        if accepted.new:
            self._acceptance.send(accepted.job)
        return accepted.job

    def _store_source(self, key: str, source: Upload | Text | Link) -> Json:
        if isinstance(source, Link):
            return {"url": source.url}
        if isinstance(source, Text):
            self._blobs.put(key, source.text.encode())
            return {
                "source_key": key,
                "media_type": "text/plain",
                "filename": None,
                "beginning": first_words(source.text),
            }
        self._blobs.put(key, source.file)
        return {"source_key": key, "media_type": source.media_type, "filename": source.filename}
