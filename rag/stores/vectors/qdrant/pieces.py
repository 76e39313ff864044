"""A file out of bytes that come in pieces, for what reads files."""

from collections.abc import Iterator
from io import RawIOBase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class PieceFile(RawIOBase):
    """Reads ``pieces`` one after the other; nothing is read ahead."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left = filter(None, pieces), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        room = memoryview(buffer)
        self._left = self._left or memoryview(next(self._pieces, b""))
        length = min(len(room), len(self._left))
        room[:length], self._left = self._left[:length], self._left[length:]
        return length

    def drain(self) -> None:
        """Read what is left, for whoever counts it."""
        for _ in self._pieces:
            continue
