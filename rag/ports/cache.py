"""The role that keeps what would cost a model call to make again."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rag.model import CacheFigures, CacheKind


class Cache(Protocol):
    """Bytes by key, for a while, in bounded room.

    Nothing may depend on it: what cannot be read is not there, and what cannot be kept is not
    kept. Neither raises.
    """

    def get(self, kind: CacheKind, keys: Sequence[str]) -> dict[str, bytes]:
        """What is kept under those of ``keys`` that are there."""
        ...

    def put(self, kind: CacheKind, values: Mapping[str, bytes]) -> None:
        """Keep the values; the oldest of all go where there is no room."""
        ...

    def clear(self) -> None:
        """Forget everything. Unavailable."""
        ...

    def figures(self) -> CacheFigures:
        """How much was found so far, and how much is kept. Unavailable."""
        ...
