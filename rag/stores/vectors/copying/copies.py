"""Copies of collections for snapshots, made beside the engine at work, one after the other."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock

from rag.errors import Unavailable, translated
from rag.stores.vectors import folders
from rag.stores.vectors.collection import EdgeCollection
from rag.stores.vectors.copying import copyfolders
from rag.stores.vectors.copying.pausing import PausedCopy

_ANSWER_SECONDS = 2.0


class Copies:
    """The copies that lie in ``root``, by name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._changing = Lock()
        self._stopping = Event()
        self._maker = ThreadPoolExecutor(1, "copies")
        self._making: dict[str, Future[None]] = {}

    def make(self, name: str, collections: Sequence[EdgeCollection]) -> bool:
        """Copy the collections together. False: that goes on, so ask again.

        What is there under this name is kept when it has all of them.
        """
        if copyfolders.collections(self._root, name).keys() >= {each.folder.name for each in collections}:
            return True
        with self._changing:
            making = self._making.get(name)
            if making is None:
                making = self._making[name] = self._maker.submit(self._make, name, collections)
        return self._await_copy(name, making)

    def discard(self, name: str) -> None:
        folders.remove(copyfolders.path_of(self._root, name))

    def close(self) -> None:
        """End what is being made, unfinished."""
        self._stopping.set()
        self._maker.shutdown()

    def _await_copy(self, name: str, making: Future[None]) -> bool:
        try:
            making.result(_ANSWER_SECONDS)
        except TimeoutError:
            return False
        finally:
            if making.done():
                self._making.pop(name, None)
        return True

    def _make(self, name: str, collections: Sequence[EdgeCollection]) -> None:
        draft = copyfolders.create_draft(self._root)
        try:
            with translated({OSError: Unavailable}, f"copying {len(collections)} collections"):
                PausedCopy(draft, collections, self._check).make()
                copyfolders.publish(draft, self._root, name)
        finally:
            folders.remove(draft)

    def _check(self) -> None:
        if self._stopping.is_set():
            raise Unavailable("the vector engine is being stopped", retry_after=2)
