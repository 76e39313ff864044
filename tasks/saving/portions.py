"""The portions of a backup: what is saved one after the other, each in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from rag.model import Json, Stream


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a portion goes on: ``at`` a place of its own, "" at the beginning; ``note``: what it counted."""

    at: str = ""
    note: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Piece:
    """``data`` is the next of ``stream``; ``mark`` is where the portion goes on once that is stored.

    ``carried``: streams of an earlier backup that are this one's too.
    """

    mark: Mark
    stream: str = ""
    data: bytes = b""
    carried: tuple[Stream, ...] = ()


class Portion(Protocol):
    """Works a few seconds at a piece at most. NotFound where the snapshot is not to be used any more."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int:
        """Bytes, as far as they can be told before."""
        ...

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        """From ``mark`` on; none are left behind the last. Its note is kept as that of the portion."""
        ...
