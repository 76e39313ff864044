"""One collection of the embedded store: its shard, its token vectors, and the order of writes."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock
from time import monotonic

from rag.errors import AegisError
from rag.model import DocumentVersion, Hit, Passage, Point, SearchQuery
from rag.ports.paging import Window
from rag.vectors.edge.folders import CollectionFolder
from rag.vectors.edge.shard import Shard
from rag.vectors.edge.token_vectors import TokenVectors
from rag.vectors.payload import Vectors, Versions, check_points, check_query, payload_of

log = logging.getLogger(__name__)

SLICE = 64
"""Points in one step of the engine: about 15 ms during which no search runs."""

SCROLLED = 128
"""Points of one page at most: about 2 ms during which no search runs."""

WORTH_OPTIMIZING = 50_000
"""Points outside the graph: each search then spends some 6 ms on comparing them all."""


LEFT_SECONDS = 300.0
"""Between two tries to optimise a collection where it failed."""


class EdgeCollection:
    """An open collection. One writer at a time; searches run beside it."""

    def __init__(self, folder: CollectionFolder) -> None:
        self.folder = folder
        self._shard = Shard(folder.shard)
        self._tokens = _tokens_of(folder)
        self._writing = Lock()
        self._deleted = 0
        self._optimized_at = -1
        self._left_until = 0.0
        self._read_at = monotonic()

    @staticmethod
    def create(folder: CollectionFolder) -> None:
        """Lay the collection out on disk, closed."""
        Shard.create(folder.shard, folder.spec.dimension)
        tokens = _tokens_of(folder)
        if tokens:
            tokens.close()

    def upsert(self, points: Sequence[Point]) -> None:
        """All are checked before any is written; durable on return."""
        check_points(points, self.folder.spec)
        rows = [(point, payload_of(point.passage)) for point in points]
        with self._writing:
            if self._tokens:
                self._tokens.put(points)
            for start in range(0, len(rows), SLICE):
                self._shard.upsert(rows[start : start + SLICE])
            self._shard.flush()

    def delete(self, document_id: str, versions: Versions) -> None:
        with self._writing:
            before = self._shard.count(document_id)
            self._shard.delete(document_id, versions)
            self._shard.flush()
            self._deleted += before - self._shard.count(document_id)
            if self._tokens:
                self._tokens.delete(document_id, versions)

    def search(self, query: SearchQuery) -> list[Hit]:
        check_query(query, self.folder.spec)
        self._read_at = monotonic()
        return self._shard.search(query)

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, Vectors]:
        """Dense and token vectors of those points that are there."""
        self._read_at = monotonic()
        dense = self._shard.dense(chunk_ids)
        tokens = self._tokens.get(chunk_ids) if self._tokens else {}
        return {chunk_id: (vector, tokens.get(chunk_id)) for chunk_id, vector in dense.items()}

    def passages(self, version: DocumentVersion) -> list[Passage]:
        return self._shard.passages(version)

    def scroll(
        self, after: str | None, limit: int, versions: Sequence[DocumentVersion] | None
    ) -> Window[Point]:
        """A page of points. No write comes between a point and its token vectors."""
        most = min(limit, SCROLLED)
        with self._writing:
            points = self._shard.scroll(after, most, versions)
            tokens = self._tokens.get([point.passage.chunk_id for point in points]) if self._tokens else {}
        items = tuple(replace(point, tokens=tokens.get(point.passage.chunk_id)) for point in points)
        return Window(items, items[-1].passage.chunk_id if len(items) == most else None)

    def count(self, document_id: str | None) -> int:
        return self._shard.count(document_id)

    def searched_within(self, seconds: float) -> bool:
        """Whether anybody searched it, or opened it, less than ``seconds`` ago."""
        return monotonic() - self._read_at < seconds

    def optimize_if_it_pays(self) -> bool:
        """Optimise when there is enough to gain; whether it was done. Left for minutes where it failed.

        The engine stops every thread while it optimises, seconds for tens of thousands of
        points. Points not optimised yet are found all the same, only slower.
        """
        if monotonic() < self._left_until:
            return False
        try:
            pays = self._optimizing_pays()
            if pays:
                self._optimize()
        except AegisError as error:
            self._left_until = monotonic() + LEFT_SECONDS
            log.warning("optimising %s failed, and searches get slower: %s", self.folder.name, error)
            return False
        return pays

    def _optimize(self) -> None:
        began = monotonic()
        with self._writing:
            self._shard.optimize()
            self._shard.flush()
            self._deleted = 0
            self._optimized_at = self._shard.unindexed()
        log.info(
            "optimised %s in %.1f s; nobody could search meanwhile", self.folder.name, monotonic() - began
        )

    def _optimizing_pays(self) -> bool:
        """Enough to gain, and more than what the last run left."""
        unindexed = self._shard.unindexed()
        if unindexed >= WORTH_OPTIMIZING and unindexed != self._optimized_at:
            return True
        return self._deleted >= WORTH_OPTIMIZING

    def close(self) -> None:
        with self._writing:
            self._shard.close()
            if self._tokens:
                self._tokens.close()


def _tokens_of(folder: CollectionFolder) -> TokenVectors | None:
    dimension = folder.spec.token_dimension
    return TokenVectors(folder.tokens, dimension) if dimension else None
