"""Entries of the journal: what they hold, and their JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from rag.keys import Key, key_fields, key_of
from rag.model import Collection, Document, JobState, Json
from rag.naming import generation_name
from rag.stores.collections import second_fields
from rag.stores.removals import Lines

JobFields = Mapping[str, str]
"""A job as names and values of its record in Redis. Of one that is not over: as it was accepted."""

_OPENING = frozenset(
    {
        "id",
        "kind",
        "collection",
        "inputs",
        "created_at",
        "deadline",
        "due",
        "lifetime",
        "idempotency",
        "digest",
        "trace",
        "owner",
    }
)


@dataclass(frozen=True, slots=True)
class CollectionEntry:
    """The newest collection of a name. ``floor``: its documents' versions are above this.

    ``unpurged``: of one that was dropped, what was in no job's hands by then. ``layout`` and
    ``built_by`` are those that serve, ``second`` as ``second_fields`` gives it, ``layouts`` the highest
    number of a layout given out, ``moves`` how often one began, ended or changed places. ``above``: of one
    that was restored, versions that are given out are above this, though older ones may be seen.
    """

    name: str
    generation: int
    embedding_model: str
    dimension: int
    created_at: float
    floor: int
    dropped: bool
    unpurged: Lines = ""
    layout: int = 0
    built_by: str = ""
    second: Sequence[str] = ()
    layouts: int = 0
    moves: int = 0
    above: int = 0

    @classmethod
    def of(
        cls, collection: Collection, floor: int, layouts: int = 0, moves: int = 0, above: int = 0
    ) -> "CollectionEntry":
        return cls(
            name=collection.name,
            generation=collection.generation,
            embedding_model=collection.embedding_model,
            dimension=collection.dimension,
            created_at=collection.created_at,
            floor=floor,
            dropped=False,
            layout=collection.layout,
            built_by=collection.built_by,
            second=second_fields(collection.second),
            layouts=layouts,
            moves=moves,
            above=above,
        )

    @classmethod
    def gone(cls, name: str, generation: int, floor: int, unpurged: Lines = "") -> "CollectionEntry":
        return cls(name, generation, "", 0, 0.0, floor, dropped=True, unpurged=unpurged)


@dataclass(frozen=True, slots=True)
class Deletion:
    """A document was deleted when ``version`` was the highest of it that had been given out.

    ``unpurged``: what of it was in no job's hands by then.
    """

    collection: str
    generation: int
    document_id: str
    version: int
    unpurged: Lines = ""


DocumentEntry = Document | Deletion
_DELETED = ".deleted"


def folder_of(entry: DocumentEntry) -> str:
    """``STORE/SHA256 OF THE ID``, since an id may hold what a key may not."""
    digest = sha256(entry.document_id.encode()).hexdigest()
    return f"{generation_name(entry.collection, entry.generation)}/{digest}"


def leaf_of(entry: DocumentEntry) -> str:
    """Sorts by version; a deletion comes after the document of the same version, which it hides."""
    return f"{entry.version:012}{_DELETED if isinstance(entry, Deletion) else ''}"


def document_json(entry: DocumentEntry) -> bytes:
    """What nobody has confirmed, or owns, is written without a word on that, as earlier versions read it."""
    fields = asdict(entry)
    for name in ("confirmed", "owner", "size"):
        if not fields.get(name):
            fields.pop(name, None)
    return _dumped(fields)


def document_entry(key: str, data: bytes) -> DocumentEntry:
    """Raises ValueError, TypeError or KeyError for what is no entry."""
    kind = Deletion if key.endswith(_DELETED) else Document
    return kind(**json.loads(data))


def collection_json(entry: CollectionEntry) -> bytes:
    return _dumped(asdict(entry))


def collection_entry(_: str, data: bytes) -> CollectionEntry:
    """Raises ValueError, TypeError or KeyError for what is no entry."""
    fields = json.loads(data)
    return CollectionEntry(**{**fields, "second": tuple(fields.get("second", ()))})


def opening_of(record: JobFields) -> JobFields:
    """Of a job's record what it had from its acceptance on."""
    return {name: value for name, value in record.items() if name in _OPENING}


def over(job: JobFields) -> bool:
    """Whether these are the fields of a job that is over."""
    return "state" in job and JobState(job["state"]).final


def job_json(fields: JobFields) -> bytes:
    return _dumped(dict(fields))


def job_fields(_: str, data: bytes) -> JobFields:
    """Raises ValueError, TypeError or KeyError for what is no entry."""
    fields: JobFields = json.loads(data)
    if not fields["id"] or not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("not the fields of a job")
    return fields


def key_json(key: Key) -> bytes:
    return _dumped(key_fields(key))


def key_entry(_: str, data: bytes) -> Key:
    """Raises ValueError, TypeError or KeyError for what is no entry."""
    return key_of(json.loads(data))


def day_of(job_id: str) -> str:
    """The UTC day in which a uuid7 was made, as YYYY-MM-DD."""
    return datetime.fromtimestamp(made_at(job_id), UTC).date().isoformat()


def made_at(job_id: str) -> float:
    """When a uuid7 was made."""
    return (UUID(job_id).int >> 80) / 1000


def _dumped(value: Json) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
