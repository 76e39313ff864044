"""Backups: the parts in which they are stored, and their manifests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rag.model.jobs import JobKind
from rag.model.values import Json

LATEST = "latest"
"""In place of an id: the newest backup that has documents, or else the newest."""

ABOUT_BACKUPS = frozenset({JobKind.BACKUP, JobKind.VERIFY, JobKind.REHEARSE, JobKind.RESTORE, JobKind.PRUNE})
"""Kinds of jobs about backups. They belong to no single collection, and count progress in bytes."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A vector engine: ``kind`` is "edge" or "qdrant"."""

    kind: str
    version: str


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A piece of a stream, stored as one object.

    ``size`` and ``sha256`` are those of the stored object, ``length`` is that of the piece before it was
    encrypted.
    """

    key: str
    size: int
    sha256: str
    length: int


@dataclass(frozen=True, slots=True)
class Stream:
    """A named sequence of bytes, in parts."""

    name: str
    parts: tuple[StoredPart, ...]

    @property
    def length(self) -> int:
        return sum(part.length for part in self.parts)


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A file of an engine's snapshot of ``store``, on ``node`` ("" where there is only one node)."""

    store: str
    node: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file of an engine's snapshot in a backup; ``stream`` is the name of the stream with its bytes."""

    file: SnapshotFile
    stream: str


@dataclass(frozen=True, slots=True)
class SavedCollection:
    """A collection as a backup has it.

    ``store``: its name at the engine, "" when nothing had been written to it. ``documents`` and ``points``
    count what searches saw, ``digest`` is that of these points (:mod:`rag.backups.digest`), and ``packs``
    gives the number of their bytes by stream. ``late``: documents that were published while the backup was
    made; neither the digest nor ``points`` include them. ``lacking``: at least so many documents are older,
    and the engine has lost points of them. ``highest``: no allocated version is above it. ``files``: those
    of the engine's own snapshot, if it made one.
    """

    name: str
    store: str
    generation: int
    layout: int
    embedding_model: str
    dimension: int
    token_dimension: int | None
    created_at: float
    highest: int
    documents: int
    points: int
    late: int
    digest: str
    packs: Mapping[str, int]
    files: tuple[SavedFile, ...]
    documents_stream: str
    golden_stream: str
    lacking: int = 0

    @property
    def stored(self) -> bool:
        """Whether the backup has data to make a store from."""
        return bool(self.packs or self.files)

    @property
    def size(self) -> int:
        """Bytes of the points."""
        return sum(self.packs.values())


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about a backup. It is written last, so without a manifest there is no backup.

    ``began_at``: what was accepted after it may be missing. ``trigger``: "schedule" or "request".
    ``missing``: what was left out, a line each. ``configuration``: the settings in use, without secrets.
    """

    id: str
    began_at: float
    finished_at: float
    mode: str
    trigger: str
    application: str
    engine: Engine
    sources: str
    collections: tuple[SavedCollection, ...]
    streams: tuple[Stream, ...]
    configuration: Json = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    encrypted: bool = False

    @property
    def parts(self) -> Mapping[str, StoredPart]:
        """Every object but the manifest, by key."""
        return {part.key: part for stream in self.streams for part in stream.parts}

    @property
    def has_documents(self) -> bool:
        return any(each.documents or each.late for each in self.collections)

    @property
    def size(self) -> int:
        """Bytes of its objects, also of those that it shares with other backups."""
        return sum(part.size for part in self.parts.values())

    def stream(self, name: str) -> Stream:
        """The stream of this name. KeyError where there is none."""
        found = {stream.name: stream for stream in self.streams}
        return found[name]
