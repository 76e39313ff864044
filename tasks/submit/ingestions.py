"""From a document as it was submitted to the job that brings it."""

from time import time
from typing import BinaryIO

from rag.errors import Conflict
from rag.jobs.subjects import first_words
from rag.model import Collection, JobKind, Json, NewJob
from rag.ports import DocumentRegistry
from rag.settings import Settings
from tasks.submit.requests import Ingestion, Link, Text, Upload


def ensure_collection(settings: Settings, documents: DocumentRegistry, name: str) -> Collection:
    """The collection; a new one gets the embedding model in use. Conflict without access to its model."""
    collection = documents.collection(name)
    if collection is None:
        collection, _ = documents.put_collection(
            name, settings.embedding_name, settings.dimension, most=settings.max_collections
        )
    if settings.embedder_of(collection.embedding_model) is None:
        raise Conflict(
            f"Collection {name!r} was embedded by {collection.embedding_model}, which this installation "
            "has no access to: give it the model's address or key, or use another collection"
        )
    return collection


def content_of(source: Upload | Text | Link) -> bytes | BinaryIO | None:
    """What is stored of the source; None for an address."""
    match source:
        case Text(text):
            return text.encode()
        case Upload(file):
            return file
    return None


def inputs_of(source: Upload | Text | Link, key: str) -> Json:
    """What the job's inputs say about its source, which is stored under ``key``."""
    match source:
        case Link(url):
            return {"url": url}
        case Text(text):
            beginning = first_words(text)
            return {"source_key": key, "media_type": "text/plain", "filename": None, "beginning": beginning}
        case Upload():
            return {"source_key": key, "media_type": source.media_type, "filename": source.filename}


def ingest_job(  # noqa: PLR0913 - what was decided about the document
    job_id: str,
    ingestion: Ingestion,
    collection: Collection,
    document: tuple[str, int],
    source: Json,
    *,
    owner: str,
    batch: str = "",
) -> NewJob:
    """The job that brings the document. ``document``: its id and version; ``source``: :func:`inputs_of`."""
    document_id, version = document
    return NewJob(
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
        batch=batch,
    )
