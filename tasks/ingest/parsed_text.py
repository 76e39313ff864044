"""What is parsed of a document: its text, the places of its passages in it, and the passages themselves.

None of it is synced when it is stored, since the source has it all. Before the version is published, text and
places are made durable. What a power cut has damaged meanwhile is noticed by its digest, and parsed again.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from rag.errors import NotFound
from rag.model import Chunk
from rag.naming import chunks_key, point_id
from rag.text.places import pack_places, places_of
from tasks.documents.blob_keys import text_key, work_key
from tasks.stages import artefacts
from tasks.stages.run import StageRun


def save_parsed(run: StageRun, title: str, text: str, chunks: Sequence[Chunk]) -> Mapping[str, str]:
    """Store it for the stages that follow. Returns the SHA-256 of each blob, by key."""
    job, blobs = run.job, run.tools.blobs
    document_id, version = job.inputs["document_id"], job.inputs["version"]
    ids = [point_id(job.collection, document_id, version, chunk.index) for chunk in chunks]
    parsed = {
        text_key(job): text.encode(),
        chunks_key(text_key(job)): pack_places(places_of(text, chunks, ids)),
        work_key(job, "chunks"): artefacts.pack_chunks(title, chunks),
    }
    for key, data in parsed.items():
        blobs.put(key, data, durable=False)
    return {key: sha256(data).hexdigest() for key, data in parsed.items()}


def saved_chunks(run: StageRun, digests: Mapping[str, str]) -> tuple[str, list[Chunk]]:
    """Title and passages. NotFound when they are gone or damaged: then the document must be parsed again.

    ``digests``: as :func:`save_parsed` returned them, or {} where they are not known.
    """
    key = work_key(run.job, "chunks")
    data = run.tools.blobs.get(key)
    if key in digests and sha256(data).hexdigest() != digests[key]:
        raise NotFound("the passages that an earlier stage left are damaged")
    return artefacts.unpack_chunks(data)


def keep_parsed(run: StageRun, digests: Mapping[str, str]) -> None:
    """Make text and places durable, together with whatever this process writes next. NotFound as above."""
    for key in (text_key(run.job), chunks_key(text_key(run.job))):
        run.tools.blobs.make_durable(key, digests.get(key))
