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
    room = Room.of(settings, documents, arrival.owner)
    if room is not None:
        replaced = documents.sizes_of(arrival.collection, arrival.owner, [arrival.document_id])
        room.take(arrival.size, replaced.get(arrival.document_id))


@dataclass(slots=True)
class Room:
    """What a key stores, and may store; 0: without limit. ``size`` and ``most_mb``: of all sources."""

    documents: int
    size: int
    most: int
    most_mb: int

    @classmethod
    def of(cls, settings: Settings, documents: DocumentRegistry, owner: str) -> "Room | None":
        """That of the key with this name; None where nothing is limited."""
        most, most_mb = settings.max_documents_per_key, settings.max_mb_per_key
        if not owner or not (most or most_mb):
            return None
        kept = documents.holdings(owner)
        return cls(kept.documents, kept.size, most, most_mb)

    def take(self, size: int, replaced: int | None) -> None:
        """Count a document that comes, of ``size`` bytes. QuotaExceeded, and nothing counted, over a limit.

        ``replaced``: the bytes of the key's own document that it replaces; None: it replaces none.
        """
        count = self.documents + (replaced is None)
        total = self.size - (replaced or 0)
        if self.most and count > self.most:
            raise QuotaExceeded(
                f"This key stores {self.documents} documents, of {self.most} that it may: delete some, "
                "or ask the operator for more (MAX_DOCUMENTS_PER_KEY)"
            )
        if self.most_mb and total + max(1, size) > self.most_mb * _MB:
            raise QuotaExceeded(
                f"This key stores {self.size / _MB:.1f} MB of documents, and may store {self.most_mb}: "
                "delete some, or ask the operator for more (MAX_MB_PER_KEY)"
            )
        self.documents, self.size = count, total + size


def check_metadata(settings: Settings, metadata: Json, passages: int) -> None:
    """Raise DocumentTooLarge when the metadata, of which every passage gets a copy, would take too much."""
    size = passages * len(json.dumps(metadata, ensure_ascii=False).encode())
    if size > settings.max_metadata_mb * _MB:
        raise DocumentTooLarge(
            f"Each of the document's {passages} passages has all of its metadata, which would take "
            f"{size / _MB:.0f} MB and may take {settings.max_metadata_mb} (MAX_METADATA_MB): send less, "
            "or split the document"
        )
