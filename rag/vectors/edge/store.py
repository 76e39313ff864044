"""The embedded vector store: qdrant-edge in this process, with one folder per collection.

Only the process :mod:`rag.vectors.edge.server` opens the folder. The others call it
through :mod:`rag.vectors.edge.client`.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic

from rag.errors import AegisError, Conflict, NoRoom, Unavailable, UnknownCollection, translated
from rag.model import Candidate, CollectionSpec, DocumentVersion, Hit, Passage, Point, SearchQuery
from rag.ports.paging import Window
from rag.system.disks import SOON_SECONDS, require_engine_reserve, require_reserve, says_full
from rag.vectors.edge import folders
from rag.vectors.edge.collection import EdgeCollection
from rag.vectors.edge.folders import CollectionFolder
from rag.vectors.payload import Vectors, Versions, candidates_of

log = logging.getLogger(__name__)

_REOPEN_SECONDS = 5.0


class EdgeVectorStore:
    """``rag.ports.VectorStore`` over ``folder``. Safe for threads, not for forks.

    Raises Conflict when another process has the folder open. A collection that cannot be opened is
    logged, and its calls raise Unavailable, or NoRoom while the disk is full; the others work. Its
    calls also try to open it again. Writes raise NoRoom when the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._lock_file = folders.lock(folder)
        self._changing = Lock()
        self._open: dict[str, EdgeCollection] = {}
        self._broken: dict[str, CollectionFolder] = {}
        self._tried_at = monotonic()
        folders.sweep(folder)
        for found in folders.found(folder):
            self._load(found)

    def ensure(self, collection: str, spec: CollectionSpec) -> None:
        with self._changing:
            opened = self._open.get(collection)
            present = opened.folder if opened else self._broken.get(collection)
            if present and present.spec != spec:
                raise Conflict(f"the collection {collection} was made with {present.spec}, not with {spec}")
            if present is None:
                require_engine_reserve(self._root)
                what = f"making the collection {collection}"
                with _full_disk_as_no_room(), translated({OSError: Unavailable}, what):
                    draft = folders.create_draft(self._root, collection, spec)
                    EdgeCollection.create(draft)
                    self._open[collection] = EdgeCollection(folders.publish(draft, self._root))

    def drop(self, collection: str) -> None:
        with self._changing:
            opened = self._open.pop(collection, None)
            broken = self._broken.pop(collection, None)
            if opened:
                opened.close()
            folder = opened.folder if opened else broken
            if folder:
                folders.remove(folder.path)

    def collections(self) -> tuple[str, ...]:
        return tuple(sorted({*self._open, *self._broken}))

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        require_engine_reserve(self._root)
        with _full_disk_as_no_room():
            self._collection(collection).upsert(points)

    def delete(
        self,
        collection: str,
        document_id: str,
        *,
        below: int | None = None,
        keep: int | None = None,
        only: int | None = None,
    ) -> None:
        with _full_disk_as_no_room():
            self._collection(collection).delete(document_id, Versions(below, keep, only))

    def search(self, collection: str, query: SearchQuery) -> list[Hit]:
        return self._collection(collection).search(query)

    def candidates(self, collection: str, hits: Sequence[Hit]) -> list[Candidate]:
        return candidates_of(hits, self.vectors(collection, [hit.passage.chunk_id for hit in hits]))

    def vectors(self, collection: str, chunk_ids: Sequence[str]) -> dict[str, Vectors]:
        """Dense and token vectors by point id; missing points are left out."""
        return self._collection(collection).vectors(chunk_ids)

    def passages(self, collection: str, version: DocumentVersion) -> list[Passage]:
        return self._collection(collection).passages(version)

    def scroll(
        self,
        collection: str,
        *,
        after: str | None,
        limit: int,
        versions: Sequence[DocumentVersion] | None = None,
    ) -> Window[Point]:
        return self._collection(collection).scroll(after, limit, versions)

    def alias(self, name: str, collection: str) -> None:
        """Nobody but Aegis reads an embedded collection, so it needs no other name."""

    def count(self, collection: str, document_id: str | None = None) -> int:
        return self._collection(collection).count(document_id)

    def ping(self) -> None:
        if self._lock_file.closed:
            raise Unavailable("the vector store is closed")

    def compact_when_idle(self, quiet_seconds: float, go_on: Callable[[], bool]) -> None:
        """Compact one collection at most, when none was searched for ``quiet_seconds``.

        It is given up when ``go_on`` says no. On a disk with little room nothing is compacted, since the
        copy needs some.
        """
        try:
            require_reserve(self._root)
        except NoRoom:
            return
        opened = list(self._open.values())
        if not any(each.searched_within(quiet_seconds) for each in opened):
            any(each.compact_if_it_pays(go_on) for each in opened)

    def flush_old(self) -> None:
        """Flush the collections whose logs hold old writes. One that cannot be flushed is logged."""
        with self._changing:  # none is closed meanwhile
            for name, opened in self._open.items():
                try:
                    opened.flush_if_old()
                except AegisError as error:
                    log.warning("the log of writes of %s keeps what was deleted: %s", name, error)

    def close(self) -> None:
        """Flush and close everything. No call may follow."""
        with self._changing:
            for opened in self._open.values():
                opened.close()
            self._open.clear()
            self._lock_file.close()

    def _collection(self, name: str) -> EdgeCollection:
        """The open collection. A broken one is tried again every few seconds. NoRoom on a full disk."""
        if name in self._broken and name not in self._open:
            require_engine_reserve(self._root)
            with self._changing:
                broken = self._broken.get(name)
                if broken and monotonic() - self._tried_at > _REOPEN_SECONDS:
                    self._tried_at = monotonic()
                    self._load(broken)
        opened = self._open.get(name)
        if opened:
            return opened
        if name in self._broken:
            raise Unavailable(
                f"the collection {name} cannot be opened, and the vector engine's log says why: if the disk "
                f"has room, restore {self._broken[name].path} from a backup, or remove the collection and "
                "ingest again"
            )
        raise UnknownCollection(f"there is no collection {name} in the vector store")

    def _load(self, found: CollectionFolder) -> None:
        """Open the collection, or log why it cannot be opened and count it as broken."""
        try:
            require_engine_reserve(self._root)  # opening writes to pages of its files
            self._open[found.name] = EdgeCollection(found)
        except AegisError as error:
            log.error("the collection %s cannot be opened: %s", found.name, error)  # noqa: TRY400 - one line says all
            self._broken[found.name] = found
        else:
            self._broken.pop(found.name, None)


@contextmanager
def _full_disk_as_no_room() -> Iterator[None]:
    """Raise NoRoom for an Unavailable whose message says that the disk is full. Several libraries do so."""
    try:
        yield
    except Unavailable as error:
        if says_full(str(error)) and not isinstance(error, NoRoom):
            raise NoRoom(str(error), retry_after=SOON_SECONDS) from error
        raise
