"""``rag.ports.Snapshots`` of the embedded engine, which makes none: its backups are points alone."""

from collections.abc import Iterator
from importlib.metadata import version

from rag.errors import Conflict, NotFound
from rag.model import Engine, SnapshotFile


class NoSnapshots:
    """Nothing is ever taken, so there is nothing to read, to remove or to load."""

    @property
    def engine(self) -> Engine:
        return Engine("edge", version("qdrant-edge-py"))

    def take(self, *_: object, **__: object) -> tuple[SnapshotFile, ...]:
        return ()

    def read(self, *_: object, **__: object) -> Iterator[bytes]:
        raise NotFound("the embedded engine makes no snapshots")

    def release(self, *_: object, **__: object) -> None:
        """There is none."""

    def taken(self) -> tuple[str, ...]:
        return ()

    def accepts(self, *_: object, **__: object) -> bool:
        return False

    def load(self, *_: object, **__: object) -> None:
        raise Conflict("the embedded engine loads no snapshots, it takes points")
