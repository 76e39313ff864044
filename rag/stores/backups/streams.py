"""Streams to and from a vault, of which no more than a piece is in memory."""

from collections.abc import Iterable, Iterator

from rag.model import StoredPart, Stream
from rag.stores.backups.vault import Vault


class Intake:
    """Takes streams in, piece by piece, for as long as nobody removes parts: make one under that lock.

    ``part_bytes``: of every piece but a stream's last. ``anew``: what is there is sent again.
    """

    def __init__(self, vault: Vault, part_bytes: int, *, anew: bool = False) -> None:
        self._vault = vault
        self._part_bytes = part_bytes
        self._holdings = vault.holdings(anew=anew)

    @property
    def sent(self) -> int:
        """Bytes that were stored, of all that it was given."""
        return self._holdings.sent

    def stream(self, data: Iterable[bytes]) -> Iterator[StoredPart]:
        """Each part once it is stored; ``data`` is read no further than asked for. DamagedBackup, WrongKey.

        To go on after a break, begin where the parts that came before end.
        """
        for piece in pieces(data, self._part_bytes):
            yield self._vault.keep(piece, holdings=self._holdings)


def pieces(data: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of ``size``, the last one of what is left; none of nothing."""
    gathered = bytearray()
    for block in data:
        gathered += block
        while len(gathered) >= size:
            yield bytes(gathered[:size])
            del gathered[:size]
    if gathered:
        yield bytes(gathered)


def read(vault: Vault, stream: Stream, start: int = 0) -> Iterator[bytes]:
    """The stream's bytes from ``start`` on, a piece at a time. DamagedBackup, WrongKey."""
    for part in stream.parts:
        if start < part.length:
            yield vault.piece(part)[start:]
        start = max(0, start - part.length)
