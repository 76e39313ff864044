"""All that the API calls: accept a job, record it, publish it.

The order survives a crash between any two steps. The bytes are stored first, so that
no record ever names bytes that are not there; the record is written next, in one step
together with its Idempotency-Key, and from then on the job is promised; publishing comes
last, and when it fails the sweeper does it later from the record.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from time import time
from typing import BinaryIO

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from uuid_utils.compat import uuid7

from rag.errors import Conflict, NotFound, UnknownCollection
from rag.model import Job, JobKind, Json, NewJob, Stage
from rag.naming import document_id_of
from rag.ports import Accepted, BlobStore, DocumentRegistry, JobStore
from rag.settings import Settings
from tasks import app as celery
from tasks.keeping import source_key

LANES: tuple[str, ...] = tuple(lane.name for lane in celery.LANES)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way in; ``file`` stands at its beginning, ``sha256`` in hex, ``size`` in bytes."""

    file: BinaryIO
    size: int
    sha256: str
    filename: str | None
    media_type: str


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    url: str


@dataclass(frozen=True, slots=True)
class Idempotency:
    """``key`` is already scoped to the caller; ``body_digest`` tells bodies apart."""

    key: str
    body_digest: str


@dataclass(frozen=True, slots=True)
class Ingestion:
    source: Upload | Text | Link
    collection: str
    document_id: str | None = None
    title: str | None = None
    metadata: Json | None = None


@dataclass(frozen=True, slots=True)
class Question:
    question: str
    collection: str
    top_k: int
    top_n: int
    where: Json
    generate: bool = True
    stream: bool = False


class Submissions:
    """The desk where jobs are handed in."""

    def __init__(
        self,
        settings: Settings,
        jobs: JobStore,
        documents: DocumentRegistry,
        blobs: BlobStore,
        publish: Callable[[Job], None] = celery.publish,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._documents = documents
        self._blobs = blobs
        self._publish = publish

    def ingest(self, ingestion: Ingestion, idempotency: Idempotency | None = None) -> Accepted:
        """Take a document in; ``job.inputs["document_id"]`` is its id. Creates the collection if need be."""
        job_id = _new_id()
        document_id = ingestion.document_id or _default_document_id(ingestion.source)
        collection, _ = self._documents.put_collection(
            ingestion.collection, self._settings.embedding_name, self._settings.dimension
        )
        version = self._documents.next_version(ingestion.collection, document_id)
        source = self._store_source(source_key(collection.store, job_id), ingestion.source)
        job = NewJob(
            id=job_id,
            kind=JobKind.INGEST,
            stage=Stage.PARSE,
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
        )
        accepted = self._accept(job, idempotency, orphan=source.get("source_key"))
        self._send(accepted)
        return accepted

    def ask(self, question: Question, idempotency: Idempotency | None = None) -> Accepted:
        """Take a question in. UnknownCollection, except for the default one: that may be empty still."""
        self._check_collection(question.collection)
        job = NewJob(
            id=_new_id(),
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
            },
            deadline=time() + self._settings.api_timeout,
        )
        accepted = self._accept(job, idempotency)
        self._send(accepted)
        return accepted

    def _check_collection(self, name: str) -> None:
        if name != self._settings.collection_name and self._documents.collection(name) is None:
            raise UnknownCollection(
                f"There is no collection {name!r}: ingest a document into it, "
                f"or create it with PUT /v1/collections/{name}"
            )

    def delete_document(self, collection: str, document_id: str) -> Job:
        """Hide the document now and have its points and blobs removed. NotFound when it is not there."""
        document = self._documents.delete(collection, document_id)
        if document is None:
            raise NotFound(f"There is no document {document_id!r} in collection {collection!r}")
        return self._purge(
            collection,
            {
                "document_id": document_id,
                "generation": document.generation,
                "version": document.version,
                "blobs": [document.source_key, document.text_key],
            },
        )

    def drop_collection(self, name: str) -> Job:
        """Hide the collection now and have everything of it removed. NotFound when it is not there."""
        collection = self._documents.drop_collection(name)
        if collection is None:
            raise NotFound(f"There is no collection {name!r}")
        return self._purge(name, {"document_id": None, "generation": collection.generation})

    def cancel(self, job_id: str) -> Job:
        """NotFound; Conflict when the job is over."""
        return self._jobs.cancel(job_id)

    def retry(self, job_id: str) -> Job:
        """Queue a job that ended badly again, at the stage where it did. NotFound; Conflict."""
        job = self._jobs.get(job_id)
        if job is not None and job.kind is JobKind.QUERY and job.deadline and job.deadline < time():
            raise Conflict("This question's deadline has passed: submit it again as a new query")
        job = self._jobs.retry(job_id)
        self._send(Accepted(job, new=True))
        return job

    def _purge(self, collection: str, inputs: Json) -> Job:
        job = NewJob(_new_id(), JobKind.DELETE, Stage.PURGE, collection, inputs)
        accepted = self._jobs.accept(job)
        self._send(accepted)
        return accepted.job

    def _accept(self, job: NewJob, idempotency: Idempotency | None, orphan: str | None = None) -> Accepted:
        """Record the job; bytes stored for a job that is not made go again."""
        if idempotency is None:
            return self._jobs.accept(job)
        try:
            accepted = self._jobs.accept(
                job, idempotency_key=idempotency.key, body_digest=idempotency.body_digest
            )
        except Conflict:
            self._drop(orphan)
            raise
        if not accepted.new:
            self._drop(orphan)
        return accepted

    def _drop(self, key: str | None) -> None:
        if key is not None:
            self._blobs.delete(key)

    def _store_source(self, key: str, source: Upload | Text | Link) -> Json:
        if isinstance(source, Link):
            return {"url": source.url}
        if isinstance(source, Text):
            self._blobs.put(key, source.text.encode())
            return {"source_key": key, "media_type": "text/plain", "filename": None}
        self._blobs.put(key, source.file)
        return {"source_key": key, "media_type": source.media_type, "filename": source.filename}

    def _send(self, accepted: Accepted) -> None:
        if not accepted.new:
            return
        try:
            self._publish(accepted.job)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("job %s is recorded but not queued yet, the sweeper will: %s", accepted.job.id, error)


def _new_id() -> str:
    return str(uuid7())


def _default_document_id(source: Upload | Text | Link) -> str:
    """From the content, so that the same document sent twice is one; from the address of a link."""
    match source:
        case Link(url):
            return document_id_of(f"url:{url}")
        case Text(text):
            return document_id_of(f"sha256:{sha256(text.encode()).hexdigest()}")
        case Upload():
            return document_id_of(f"sha256:{source.sha256}")
