"""Blobs of a document and of the job that brings it: their keys, and how they are removed."""

from rag.model import Job
from rag.naming import chunks_key, generation_name
from rag.ports import BlobStore, DocumentRegistry


def folder_of(job: Job) -> str:
    """``Collection.folder`` of the collection that the job was accepted for."""
    return generation_name(job.collection, job.inputs["generation"])


def source_key(folder: str, job_id: str) -> str:
    """The bytes as they were sent. They stay, so that the document can be parsed again."""
    return f"sources/{folder}/{job_id}"


def text_key(job: Job) -> str:
    """The parsed text that citations' offsets point into."""
    return f"texts/{folder_of(job)}/{job.id}"


def work_key(job: Job, name: str) -> str:
    """What one stage leaves for the next. It is removed when the job has succeeded."""
    return f"work/{job.id}/{name}"


def discard(blobs: BlobStore, job: Job, *, source: bool = False, text: bool = False) -> None:
    """Remove the work of an ingestion. ``source``, ``text``: those too, since no document needs them."""
    keys = list(blobs.keys(f"work/{job.id}/"))
    if source:
        keys.append(source_key(folder_of(job), job.id))
    if text:
        keys += [text_key(job), chunks_key(text_key(job))]
    for key in keys:
        blobs.delete(key)


def is_seen(documents: DocumentRegistry, job: Job) -> bool:
    """Whether searches see the version that an ingestion brought."""
    document = documents.get(job.collection, job.inputs["document_id"])
    brought = (job.inputs["generation"], job.inputs["version"])
    return document is not None and (document.generation, document.version) == brought


def discard_all(documents: DocumentRegistry, blobs: BlobStore, job: Job) -> None:
    """Remove every blob of an ingestion that never runs again, except of a document that searches see."""
    unseen = not is_seen(documents, job)
    discard(blobs, job, source=unseen, text=unseen)
