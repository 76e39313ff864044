"""``rag.ports.Snapshots`` of the embedded engine: paused copies on this machine, read as streams."""

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from time import monotonic
from typing import Protocol

from rag.errors import NotFound, Unavailable, translated
from rag.model import CollectionSpec, Engine, SnapshotFile
from rag.ports import Opened
from rag.settings import Settings
from rag.stores.disks import require_room
from rag.stores.vectors import folders, foreign
from rag.stores.vectors.archives import packing
from rag.stores.vectors.archives.incoming import Incoming
from rag.stores.vectors.collection import EdgeCollection
from rag.stores.vectors.copying import copyfolders
from rag.stores.vectors.folders import CollectionFolder

KIND = "edge"
_SHARE = 0.5
"""Of BACKUP_STAGE_TIMEOUT, for which one call waits while the engine copies."""


class Owner(Protocol):
    """The process that has the collections open, or the store itself; see ``EdgeVectorStore``."""

    def copy(self, name: str, collections: Sequence[str]) -> bool: ...

    def discard_copy(self, name: str) -> None: ...

    def adopt(self, collection: str, draft: str) -> None: ...


class EdgeSnapshots:
    """Safe for threads and forks. ``owner`` has AEGIS_HOME/vectors open, on this machine."""

    def __init__(self, settings: Settings, owner: Owner) -> None:
        self._root = settings.home / "vectors"
        self._owner = owner
        self._seconds = settings.backup_stage_timeout * _SHARE

    @property
    def engine(self) -> Engine:
        return Engine(KIND, version("qdrant-edge-py"))

    def take(self, name: str, stores: Sequence[str]) -> tuple[SnapshotFile, ...]:
        """Unavailable while the engine is still at it: then call again."""
        until = monotonic() + self._seconds
        while not self._owner.copy(name, stores):
            if monotonic() > until:
                raise Unavailable("the vector engine is still copying its collections", retry_after=5)
        copies = copyfolders.collections(self._root, name)
        return tuple(
            SnapshotFile(store, "", path, size)
            for store in stores
            for path, size in sorted(packing.packed(copies[store]).items())
        )

    def read(self, name: str, file: SnapshotFile, start: int = 0) -> Iterator[bytes]:
        copy = copyfolders.collections(self._root, name).get(file.store)
        if copy is None:
            raise NotFound(f"the copy {name} of {file.store} is gone")
        with translated({FileNotFoundError: NotFound, OSError: Unavailable}, f"reading {file.path}"):
            yield from packing.read(copy, file.path, start)

    def release(self, name: str) -> None:
        self._owner.discard_copy(name)

    def taken(self) -> tuple[str, ...]:
        return copyfolders.names(self._root)

    def load(
        self,
        store: str,
        spec: CollectionSpec,
        engine: Engine,
        files: Sequence[tuple[SnapshotFile, Opened]],
        loaded: Callable[[int], None],
    ) -> None:
        """Into a folder that no engine knows, which then becomes the collection in one step."""
        require_room(self._root, sum(file.size for file, _ in files))
        draft = folders.loading(self._root, store, spec)
        try:
            if engine.kind == KIND:
                _unpack(draft, files, loaded)
            else:
                _write(draft, engine, files, loaded)
            self._owner.adopt(store, draft.path.name)
        finally:
            folders.remove(draft.path)


def _unpack(
    draft: CollectionFolder, files: Sequence[tuple[SnapshotFile, Opened]], loaded: Callable[[int], None]
) -> None:
    packing.unpack(Incoming(files, loaded), draft)
    foreign.opened_shard(draft.shard).close()


def _write(
    draft: CollectionFolder,
    engine: Engine,
    files: Sequence[tuple[SnapshotFile, Opened]],
    loaded: Callable[[int], None],
) -> None:
    """Point by point."""
    EdgeCollection.create(draft)
    collection = EdgeCollection(draft)
    try:
        with folders.scratch(draft.path / "foreign") as folder:
            for points in foreign.opened(engine, draft.spec, files, folder, loaded):
                collection.upsert(points)
    finally:
        collection.close()
