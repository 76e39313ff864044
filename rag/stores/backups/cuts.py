"""Where streams are cut into pieces: the same content gives the same pieces, so that they are stored once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

LINES_A_PIECE = 2048
"""On average."""


@dataclass(frozen=True, slots=True)
class Line:
    """``key``: by which the line is found again, and its stream goes on after it."""

    key: str
    data: bytes


def cut(lines: Iterable[Line], most: int) -> Iterator[tuple[bytes, str]]:
    """Pieces of about ``most`` bytes at most, each with the key of its last line.

    Which lines end one depends on their keys alone, wherever the stream was begun, so that what was
    added or changed alters the pieces around it and no others. (Content-defined chunking, as in
    Muthitacharoen et al., "A Low-bandwidth Network File System", over keys in place of bytes.)
    """
    piece, last = bytearray(), ""
    for line in lines:
        piece += line.data
        last = line.key
        if len(piece) >= most or _ends_piece(line.key):
            yield bytes(piece), last
            piece.clear()
    if piece:
        yield bytes(piece), last


def _ends_piece(key: str) -> bool:
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest()) % LINES_A_PIECE == 0
