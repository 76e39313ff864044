"""The journal's entries and their JSON."""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from rag.access.keys import Key, key_fields, key_of
from rag.model import Collection, Document, JobState, Json, SecondLayout
from rag.naming import generation_name

SecondFields = tuple[str, ...]
"""Number, model, dimension, state, job and time of a second layout, in this order; () for none."""


def second_fields(second: SecondLayout | None) -> SecondFields:
    if second is None:
        return ()
    layout = second.layout
    return (
        str(layout.number),
        layout.embedding_model,
        str(layout.dimension),
        second.state.value,
        layout.job_id,
        f"{second.since:.6f}",
    )


Lines = str
"""The id of the future purge job, then one line of JSON for each version of the deleted document.

The record of a version that was not published has only its ``version``.
"""


JobFields = Mapping[str, str]
"""The fields of a job's record in Redis. Of an open job: those it had when it was accepted."""

_ACCEPTED = frozenset(
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
        "batch",
    }
)


@dataclass(frozen=True, slots=True)
class CollectionEntry:
    """The newest collection of a name. ``floor``: its documents' versions are above this.

    ``unpurged``: of a dropped one, what had no purge job yet. ``layout`` and ``built_by`` are
    those that serve, ``second`` as ``second_fields`` makes it, ``layouts`` the highest allocated number
    of a layout, ``moves`` how often one began, ended or was switched. ``above``: of a restored one;
    new versions are above this, though published ones may be below.
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
    second: tuple[str, ...] = ()
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
class BatchEntry:
    """A batch: the fields of its record, and its jobs as they were accepted, in one object."""

    batch: JobFields
    jobs: Sequence[JobFields]

    @property
    def id(self) -> str:
        return self.batch["id"]

    def without(self, job_ids: Container[str]) -> "BatchEntry":
        return BatchEntry(self.batch, [job for job in self.jobs if job["id"] not in job_ids])


@dataclass(frozen=True, slots=True)
class Deletion:
    """A document was deleted when ``version`` was its highest allocated version.

    ``unpurged``: what had no purge job yet.
    """

    collection: str
    generation: int
    document_id: str
    version: int
    unpurged: Lines = ""


DocumentEntry = Document | Deletion
DOCUMENTS, _DELETIONS = TypeAdapter(Document), TypeAdapter(Deletion)
_COLLECTIONS = TypeAdapter(CollectionEntry)
_DELETED = ".deleted"


def folder_of(entry: DocumentEntry) -> str:
    """``STORE/SHA256 OF THE ID``, since an id may contain characters that a key may not."""
    digest = sha256(entry.document_id.encode()).hexdigest()
    return f"{generation_name(entry.collection, entry.generation)}/{digest}"


def leaf_of(entry: DocumentEntry) -> str:
    """The name of the entry. Names sort by version, and a deletion after the document of the same version."""
    return f"{entry.version:012}{_DELETED if isinstance(entry, Deletion) else ''}"


def document_json(entry: DocumentEntry) -> bytes:
    """The entry as JSON, without fields that have their defaults."""
    if isinstance(entry, Deletion):
        return _DELETIONS.dump_json(entry)
    return DOCUMENTS.dump_json(entry, exclude_defaults=True)


def document_entry(key: str, data: bytes) -> DocumentEntry:
    """Parse an entry. Raises ValueError when it is invalid."""
    adapter: TypeAdapter[Any] = _DELETIONS if key.endswith(_DELETED) else DOCUMENTS
    entry: DocumentEntry = adapter.validate_json(data)
    return entry


def collection_json(entry: CollectionEntry) -> bytes:
    return _COLLECTIONS.dump_json(entry)


def collection_entry(_: str, data: bytes) -> CollectionEntry:
    """Parse an entry. Raises ValueError when it is invalid."""
    return _COLLECTIONS.validate_json(data)


def opening_of(record: JobFields) -> JobFields:
    """The fields of a job's record that it had when it was accepted."""
    return {name: value for name, value in record.items() if name in _ACCEPTED}


def over(job: JobFields) -> bool:
    """Whether these are the fields of a job that is over."""
    return "state" in job and JobState(job["state"]).final


def job_json(fields: JobFields) -> bytes:
    return _dump(dict(fields))


def job_fields(_: str, data: bytes) -> JobFields:
    """Parse an entry. Raises ValueError, TypeError or KeyError when it is invalid."""
    fields: JobFields = json.loads(data)
    if not fields["id"] or not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("not the fields of a job")
    return fields


def batch_json(entry: BatchEntry) -> bytes:
    return _dump({"batch": dict(entry.batch), "jobs": [dict(job) for job in entry.jobs]})


def batch_entry(_: str, data: bytes) -> BatchEntry:
    """Parse an entry. Raises ValueError, TypeError or KeyError when it is invalid."""
    found = json.loads(data)
    entry = BatchEntry(found["batch"], found["jobs"])
    for fields in (entry.batch, *entry.jobs):
        if not fields["id"] or not all(isinstance(value, str) for value in fields.values()):
            raise ValueError("not the fields of a batch and its jobs")
    return entry


def key_json(key: Key) -> bytes:
    return _dump(key_fields(key))


def key_entry(_: str, data: bytes) -> Key:
    """Parse an entry. Raises ValueError, TypeError or KeyError when it is invalid."""
    return key_of(json.loads(data))


def day_of(job_id: str) -> str:
    """The UTC day of a job's id, a uuid7, as YYYY-MM-DD."""
    return datetime.fromtimestamp(made_at(job_id), UTC).date().isoformat()


def made_at(job_id: str) -> float:
    """When a job's id, a uuid7, was made, in Unix seconds."""
    return (UUID(job_id).int >> 80) / 1000


def _dump(value: Json) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
