"""Which blobs a document and the job that brings it have, and how they go again."""

from collections.abc import Sequence

from rag.model import Chunk, Job
from rag.naming import chunks_key, generation_name, point_id
from rag.places import pack_places, places_of
from rag.ports import BlobStore, DocumentRegistry


def folder_of(job: Job) -> str:
    """``Collection.folder`` of the collection that the job was accepted for."""
    return generation_name(job.collection, job.inputs["generation"])


def source_key(folder: str, job_id: str) -> str:
    """The bytes as they were sent, kept so that a collection can be embedded anew."""
    return f"sources/{folder}/{job_id}"


def text_key(job: Job) -> str:
    """The parsed text that citations' offsets point into."""
    return f"texts/{folder_of(job)}/{job.id}"


def work_key(job: Job, name: str) -> str:
    """What one stage leaves for the next; gone when the job has succeeded."""
    return f"work/{job.id}/{name}"


def keep_text(blobs: BlobStore, job: Job, text: str, chunks: Sequence[Chunk]) -> None:
    """What citations point into, and where the passages stand in it."""
    document_id, version = job.inputs["document_id"], job.inputs["version"]
    ids = [point_id(job.collection, document_id, version, chunk.index) for chunk in chunks]
    blobs.put(text_key(job), text.encode())
    blobs.put(chunks_key(text_key(job)), pack_places(places_of(text, chunks, ids)))


def discard(blobs: BlobStore, job: Job, *, source: bool = False, text: bool = False) -> None:
    """Remove the work of an ingestion; its source and text too where no document needs them."""
    keys = list(blobs.keys(f"work/{job.id}/"))
    if source:
        keys.append(source_key(folder_of(job), job.id))
    if text:
        keys += [text_key(job), chunks_key(text_key(job))]
    for key in keys:
        blobs.delete(key)


def is_seen(documents: DocumentRegistry, job: Job) -> bool:
    """Whether the version that an ingestion brought is the one that searches see."""
    document = documents.get(job.collection, job.inputs["document_id"])
    brought = (job.inputs["generation"], job.inputs["version"])
    return document is not None and (document.generation, document.version) == brought


def discard_all(documents: DocumentRegistry, blobs: BlobStore, job: Job) -> None:
    """Remove every blob of an ingestion that is never run again, except those of a document to be seen."""
    unseen = not is_seen(documents, job)
    discard(blobs, job, source=unseen, text=unseen)
