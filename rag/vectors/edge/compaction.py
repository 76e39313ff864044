"""Copies a collection's points into a new shard, which lacks what was deleted, while others read and write.

The engine's own way to remove deleted points answers nobody meanwhile: 4 s for 100,000 points, 15 s for
500,000. A copy takes longer, in steps of some 15 ms.
"""

import os
from collections.abc import Iterator, Sequence

from rag.model import Point
from rag.vectors.edge.folders import CollectionFolder, describe, sweep_shards
from rag.vectors.edge.shard import Shard
from rag.vectors.payload import ALL, payload_of

SLICE = 64
"""Points in one step of the engine: about 15 ms during which no search runs."""

FEW = 8
"""Changed documents of a step. So many may be left for the last one."""

MOST_ROUNDS = 1_000


class Compaction:
    """Makes a copy of ``shard``, once, in ``folder``. ``changed``: the documents written since it began.

    The caller holds the lock of the collection's writes during each step, and adds to ``changed``.
    """

    def __init__(self, folder: CollectionFolder, shard: Shard) -> None:
        self.changed: set[str] = set()
        self.folder = folder.following
        self._shard = shard
        sweep_shards(folder)
        Shard.create(self.folder.shard, folder.spec.dimension)
        self.copy = Shard(self.folder.shard)

    def steps(self) -> Iterator[None]:
        """Copy all but the last few documents, a slice of points in each step."""
        after: str | None = None
        while points := self._shard.scroll(after, SLICE):
            self._put(points)
            after = points[-1].passage.chunk_id
            yield
        for _ in range(MOST_ROUNDS):  # who writes without end does not keep it from its own
            if len(self.changed) <= FEW:
                break
            self._renew(FEW)
            yield

    def finish(self) -> None:
        """Copy the rest, and make the copy the collection's shard."""
        self._renew(len(self.changed))
        self.copy.flush()
        os.sync()  # the names of the engine's files too
        describe(self.folder)

    def _renew(self, documents: int) -> None:
        """Copy so many of the changed documents anew."""
        for _ in range(documents):
            document_id = self.changed.pop()
            self.copy.delete(document_id, ALL)
            after: str | None = None
            while points := self._shard.scroll(after, SLICE, document_id=document_id):
                self._put(points)
                after = points[-1].passage.chunk_id

    def _put(self, points: Sequence[Point]) -> None:
        self.copy.upsert((point, payload_of(point.passage)) for point in points)
