"""What deletions leave to be purged, as Redis and the journal hold it until a job has it."""

import json
from collections.abc import Sequence
from typing import Any

from rag.model import Json, Removal
from rag.naming import chunks_key

Lines = str
"""The id of the job to be, then a record for each version of the document that was deleted.

Of one that nobody had seen by then the record has its ``version`` alone.
"""


def removal_of(found: Sequence[bytes]) -> Removal:
    """``found``: place and lines, as the scripts return them."""
    place, lines = (part.decode() for part in found)
    store, _, document_id = place.partition("/")
    collection, _, generation = store.rpartition("-")
    versions = [json.loads(record) for record in lines.split("\n")[1:]]
    last = max(versions, key=lambda each: each["version"], default=dict[str, Any]())
    return Removal(
        job_id=job_of(lines),
        collection=collection,
        generation=int(generation),
        document_id=document_id or None,
        version=last.get("version", 0),
        blobs=tuple(blob for each in versions for blob in _blobs_of(each)),
        title=last.get("title", ""),
    )


def _blobs_of(record: Json) -> tuple[str, ...]:
    """None of a version that nobody had seen."""
    if "source_key" not in record:
        return ()
    return record["source_key"], record["text_key"], chunks_key(record["text_key"])


def place_of(removal: Removal) -> str:
    """The inverse of what ``removal_of`` reads from a place."""
    store = f"{removal.collection}-{removal.generation}"
    return store if removal.document_id is None else f"{store}/{removal.document_id}"


def job_of(lines: Lines) -> str:
    """The id of the job to be; '' for no lines."""
    return lines.partition("\n")[0]
