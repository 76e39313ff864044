"""The role that caches what would cost a model call to make again."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from rag.model import CacheFigures, CacheKind


class Cache(Protocol):
    """Bytes by key, for a limited time, in bounded space.

    Nothing may depend on it. ``get`` and ``put`` raise nothing: an entry that cannot be read is missing,
    and one that cannot be written is left out.
    """

    def get(self, kind: CacheKind, keys: Sequence[str]) -> dict[str, bytes]:
        """The entries of those of ``keys`` that are cached."""
        ...

    def put(self, kind: CacheKind, values: Mapping[str, bytes]) -> None:
        """Cache the values. The oldest entries are removed where there is no room."""
        ...

    def clear(self) -> None:
        """Remove all entries. Raises Unavailable."""
        ...

    def figures(self) -> CacheFigures:
        """Hits and misses so far, and the size of the cache. Raises Unavailable."""
        ...
