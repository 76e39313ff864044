"""What deletions leave to be purged, as Redis and the journal hold it until a job has it."""

import json
from collections.abc import Sequence
from itertools import chain

from rag.model import Json, Removal
from rag.naming import chunks_key

Lines = str
"""The id of the job to be, then a record for each version of the document that was deleted."""


def removal_of(found: Sequence[bytes]) -> Removal:
    """``found``: place and lines, as the scripts return them."""
    place, lines = (part.decode() for part in found)
    store, _, document_id = place.partition("/")
    collection, _, generation = store.rpartition("-")
    versions = [json.loads(record) for record in lines.split("\n")[1:]]
    return Removal(
        job_id=job_of(lines),
        collection=collection,
        generation=int(generation),
        document_id=document_id or None,
        version=max((each["version"] for each in versions), default=0),
        blobs=tuple(chain.from_iterable(map(_blobs_of, versions))),
    )


def _blobs_of(record: Json) -> tuple[str, str, str]:
    return record["source_key"], record["text_key"], chunks_key(record["text_key"])


def place_of(removal: Removal) -> str:
    """The inverse of what ``removal_of`` reads from a place."""
    store = f"{removal.collection}-{removal.generation}"
    return store if removal.document_id is None else f"{store}/{removal.document_id}"


def job_of(lines: Lines) -> str:
    """The id of the job to be; '' for no lines."""
    return lines.partition("\n")[0]
