"""The documents of a batch on their way to its jobs: versions are chosen, and their bytes are stored."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from rag.errors import AegisError, Conflict, QuotaExceeded
from rag.model import Collection, NewJob
from rag.naming import document_id_of, new_id, second_document_id
from rag.ports import BlobStore, DocumentRegistry
from rag.settings import Settings
from tasks.documents.blob_keys import source_key
from tasks.documents.quotas import Room
from tasks.submit.ingestions import content_of, ensure_collection, ingest_job, inputs_of
from tasks.submit.requests import Ingestion, Upload

_STORED_AT_ONCE, _STORED_BYTES = 1000, 16 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A document of a batch, at its ``position`` among those that were sent, from 0.

    ``digest`` tells it from every other one. The file of an :class:`Upload` is closed once it is stored.
    """

    position: int
    ingestion: Ingestion
    digest: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the document at ``position`` was not accepted."""

    position: int
    error: Exception
    document_id: str | None = None


@dataclass(slots=True)
class Draft:
    """A batch while it is submitted. ``jobs``: by position, before they are recorded.

    ``digests``: the first position of each document's digest; ``same_as``: positions of its repetitions.
    """

    batch_id: str
    jobs: dict[int, NewJob] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    digests: dict[str, int] = field(default_factory=dict)
    same_as: dict[int, int] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    """By job, the key of its bytes."""

    def refuse(self, part: Part, error: AegisError) -> None:
        self.refusals.append(Refusal(part.position, error, part.ingestion.document_id))


class DraftStorage:
    """Stores what the documents of drafts bring, some at once."""

    def __init__(self, settings: Settings, documents: DocumentRegistry, blobs: BlobStore) -> None:
        self._settings = settings
        self._documents = documents
        self._blobs = blobs

    def discard(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._blobs.delete(key)

    def store(self, draft: Draft, parts: Iterable[Part | Refusal], owner: str) -> None:
        """Make the draft's jobs, and store their bytes; note what is refused."""
        collections = _Collections(self._settings, self._documents)
        room = Room.of(self._settings, self._documents, owner)
        for some in _slices(parts):
            draft.refusals += (each for each in some if isinstance(each, Refusal))
            wanted = [each for each in some if isinstance(each, Part) and self._is_wanted(draft, each)]
            fitting = self._fitting(draft, wanted, room, owner)
            placed = [(part, found) for part in fitting if (found := collections.of(draft, part))]
            self._store_some(draft, placed, owner)

    @staticmethod
    def _is_wanted(draft: Draft, part: Part) -> bool:
        """Whether the document did not come before in this batch: the same one is one job."""
        first = draft.digests.setdefault(part.digest, part.position)
        if first != part.position:
            draft.same_as[part.position] = first
        return first == part.position

    def _fitting(self, draft: Draft, parts: Sequence[Part], room: Room | None, owner: str) -> Iterator[Part]:
        """Those that the key may still store, counted in their order."""
        if room is None:
            yield from parts
            return
        own: dict[str, dict[str, int]] = {}
        for name in {part.ingestion.collection for part in parts}:
            ids = [_document_id(part) for part in parts if part.ingestion.collection == name]
            own[name] = dict(self._documents.sizes_of(name, owner, ids))
        for part in parts:
            name, document_id, size = (
                part.ingestion.collection,
                _document_id(part),
                part.ingestion.source.size,
            )
            try:
                room.take(size, own[name].get(document_id))
            except QuotaExceeded as error:
                draft.refuse(part, error)
                continue
            own[name][document_id] = size
            yield part

    def _store_some(self, draft: Draft, parts: Sequence[tuple[Part, Collection]], owner: str) -> None:
        blobs: dict[str, bytes | BinaryIO] = {}
        for (part, collection), document in zip(parts, self._choose_versions(parts), strict=True):
            job_id, source = new_id(), part.ingestion.source
            key, content = source_key(collection.folder, job_id), content_of(source)
            if content is not None:
                blobs[key], draft.stored[job_id] = content, key
            draft.jobs[part.position] = ingest_job(
                job_id,
                part.ingestion,
                collection,
                document,
                inputs_of(source, key),
                owner=owner,
                batch=draft.batch_id,
            )
        self._blobs.put_all(blobs)
        for part, _ in parts:
            if isinstance(part.ingestion.source, Upload):
                part.ingestion.source.file.close()

    def _choose_versions(self, parts: Sequence[tuple[Part, Collection]]) -> list[tuple[str, int]]:
        """The id and version that each document gets, in their order."""
        chosen: list[tuple[str, int]] = [("", 0)] * len(parts)
        by_collection: dict[str, list[int]] = {}
        for at, (part, _) in enumerate(parts):
            if part.ingestion.keep and part.ingestion.document_id is not None:
                chosen[at] = self._claim(part.ingestion)
            else:
                by_collection.setdefault(part.ingestion.collection, []).append(at)
        for name, places in by_collection.items():
            ids = [_document_id(parts[at][0]) for at in places]
            versions = self._documents.next_versions(name, ids)
            for at, document_id, version in zip(places, ids, versions, strict=True):
                chosen[at] = document_id, version
        return chosen

    def _claim(self, ingestion: Ingestion) -> tuple[str, int]:
        """The id and version of a document that takes the place of no other."""
        name, document_id = ingestion.collection, str(ingestion.document_id)
        version = self._documents.claim(name, document_id)
        if version is None:
            document_id = second_document_id(document_id, ingestion.source.content)
            version = self._documents.next_version(name, document_id)
        return document_id, version


class _Collections:
    """The collections of a batch's documents, each looked up, or made, once."""

    def __init__(self, settings: Settings, documents: DocumentRegistry) -> None:
        self._settings, self._documents = settings, documents
        self._found: dict[str, Collection | AegisError] = {}

    def of(self, draft: Draft, part: Part) -> Collection | None:
        """None, and the document refused, where it cannot be used."""
        name = part.ingestion.collection
        if name not in self._found:
            try:
                self._found[name] = ensure_collection(self._settings, self._documents, name)
            except (Conflict, QuotaExceeded) as error:
                self._found[name] = error
        found = self._found[name]
        if isinstance(found, AegisError):
            draft.refuse(part, found)
            return None
        return found


def _slices(parts: Iterable[Part | Refusal]) -> Iterator[list[Part | Refusal]]:
    some: list[Part | Refusal] = []
    size = 0
    for part in parts:
        some.append(part)
        size += part.ingestion.source.size if isinstance(part, Part) else 0
        if len(some) >= _STORED_AT_ONCE or size >= _STORED_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _document_id(part: Part) -> str:
    """An id made from the content where none was sent: the same document sent twice is one."""
    return part.ingestion.document_id or document_id_of(part.ingestion.source.content)
