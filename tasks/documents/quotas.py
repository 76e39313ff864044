"""How much a key may store, by MAX_DOCUMENTS_PER_KEY and MAX_MB_PER_KEY.

It is checked when a document is submitted, and again before its points are written. In between, the size of
a fetched document becomes known, and other documents of the key may have come. So a key exceeds its quota by
no more than what the index lane works on at one moment.
"""

import json
from dataclasses import dataclass

from rag.errors import DocumentTooLarge, QuotaExceeded
from rag.model import Job, Json
from rag.ports import DocumentRegistry
from rag.settings import Settings

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document that a key brings. ``size``: bytes of its source, 0 while that is not known."""

    owner: str
    collection: str
    document_id: str
    size: int = 0


def keeper_of(job: Job) -> str:
    """The key that the document counts for: the job's owner; for a change, the owner of the document."""
    keeper: str = job.inputs.get("keeper", job.owner)
    return keeper


def check_room(settings: Settings, documents: DocumentRegistry, arrival: Arrival) -> None:
    """Raise QuotaExceeded when the key may not store the document. One that it replaces is free."""
    most, most_mb = settings.max_documents_per_key, settings.max_mb_per_key
    if not arrival.owner or not (most or most_mb):
        return
    kept = documents.holdings(arrival.owner)
    replaced = documents.get(arrival.collection, arrival.document_id)
    own = replaced if replaced is not None and replaced.owner == arrival.owner else None
    count, size = kept.documents, kept.size
    if own is not None:
        count, size = count - 1, size - own.size
    if most and count + 1 > most:
        raise QuotaExceeded(
            f"This key stores {kept.documents} documents, of {most} that it may: delete some, "
            "or ask the operator for more (MAX_DOCUMENTS_PER_KEY)"
        )
    if most_mb and size + max(1, arrival.size) > most_mb * _MB:
        raise QuotaExceeded(
            f"This key stores {kept.size / _MB:.1f} MB of documents, and may store {most_mb}: delete some, "
            "or ask the operator for more (MAX_MB_PER_KEY)"
        )


def check_metadata(settings: Settings, metadata: Json, passages: int) -> None:
    """Raise DocumentTooLarge when the metadata, of which every passage gets a copy, would take too much."""
    size = passages * len(json.dumps(metadata, ensure_ascii=False).encode())
    if size > settings.max_metadata_mb * _MB:
        raise DocumentTooLarge(
            f"Each of the document's {passages} passages has all of its metadata, which would take "
            f"{size / _MB:.0f} MB and may take {settings.max_metadata_mb} (MAX_METADATA_MB): send less, "
            "or split the document"
        )
