"""The role that copies collections with their search graphs, in the engine's own format."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from rag.model import CollectionSpec, Engine, SnapshotFile

Opened = Callable[[int], Iterator[bytes]]
"""The bytes of a file from an offset on."""


class Snapshots(Protocol):
    """Snapshots by name, each of several collections at one time. An engine that makes none has none to load.

    Raises UnknownCollection, Unavailable when the engine is away, and Unavailable too when there is no room.
    """

    @property
    def engine(self) -> Engine: ...

    def take(self, name: str, stores: Sequence[str]) -> tuple[SnapshotFile, ...]:
        """Snapshot these collections together, every node's part of each.

        Writes wait for less than a second, searches do not. The same call again returns the files that are
        there, and adds what is missing.
        """
        ...

    def read(self, name: str, file: SnapshotFile, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file, a MB or so at a time. NotFound when it is gone: then take it anew."""
        ...

    def release(self, name: str) -> None:
        """Remove the snapshot; nothing when it is not there."""
        ...

    def taken(self) -> tuple[str, ...]:
        """Names of the snapshots that are there."""
        ...

    def accepts(self, engine: Engine, files: Sequence[SnapshotFile]) -> bool:
        """Whether :meth:`load` takes a snapshot that ``engine`` made of one collection."""
        ...

    def load(
        self,
        store: str,
        spec: CollectionSpec,
        files: Sequence[tuple[SnapshotFile, Opened]],
        loaded: Callable[[int], None],
    ) -> None:
        """Make the collection ``store`` from a snapshot that is accepted: whole, or not at all.

        Replaces what an earlier call did not finish. ``loaded`` is called with the number of bytes read so
        far, again and again. DamagedBackup for files that the engine cannot open.
        """
        ...
