"""Unpacking gzip (RFC 1952) piece by piece, within a ratio."""

import zlib
from collections.abc import Iterator

from rag.errors import DocumentTooLarge, Unavailable

HIGHEST_RATIO = 200
"""Bytes that one byte may unpack to; text on the web comes to some ten, a bomb to a thousand."""

FREE_BYTES = 1 << 20
"""That anything may unpack to."""

_GZIP = 31  # zlib's name for a window of 32 KB within gzip's frame
_PIECE = 16_384


class Gunzip:
    """Of members that follow one another, with zeros between or behind them. zlib's errors pass."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self.packed = 0
        self._unpacked = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What ``piece`` unpacks to. DocumentTooLarge past the ratio."""
        self.packed += len(piece)
        while piece := self._of_member(piece):
            out = self._member.decompress(piece, _PIECE)
            self._unpacked += len(out)
            if self._unpacked > HIGHEST_RATIO * self.packed + FREE_BYTES:
                raise DocumentTooLarge("The document is packed so tightly that it must be a bomb.")
            yield out
            piece = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def finish(self) -> None:
        """Unavailable unless all that began has ended."""
        if self.packed and not self._member.eof:
            raise Unavailable("The document broke off before its end.")

    def _of_member(self, piece: bytes) -> bytes:
        """``piece`` from where a member goes on or begins."""
        if self._member.eof and (piece := piece.lstrip(b"\0")):
            self._member = zlib.decompressobj(_GZIP)
        return piece
