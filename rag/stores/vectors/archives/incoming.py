"""The bytes of a snapshot on their way back from a backup."""

from collections.abc import Callable, Iterator, Sequence
from io import BufferedReader

from rag.errors import DamagedBackup
from rag.model import SnapshotFile
from rag.ports import Opened
from rag.stores.vectors.archives.pieces import PieceFile

_BUFFER = 1024 * 1024


class Incoming:
    """Files, one after the other; ``loaded`` is told how many bytes of all of them were read."""

    def __init__(self, files: Sequence[tuple[SnapshotFile, Opened]], loaded: Callable[[int], None]) -> None:
        self._files, self._loaded = files, loaded
        self._bytes = 0

    def __iter__(self) -> Iterator[tuple[SnapshotFile, BufferedReader]]:
        """Each with its bytes. What is not read is read then, and DamagedBackup raised for a wrong length."""
        for file, opened in self._files:
            before = self._bytes
            source = PieceFile(self._count(opened(0)))
            yield file, BufferedReader(source, _BUFFER)
            source.drain()
            if self._bytes - before != file.size:
                raise DamagedBackup(
                    f"{file.path} of {file.store} has {self._bytes - before} bytes, not {file.size}"
                )

    def _count(self, data: Iterator[bytes]) -> Iterator[bytes]:
        for piece in data:
            self._bytes += len(piece)
            self._loaded(self._bytes)
            yield piece
