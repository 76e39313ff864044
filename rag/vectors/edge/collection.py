"""One collection of the embedded store: its shard, its token vectors, and the lock for its writes.

A flush of the shard syncs some 60 files, and holds up every search meanwhile. So a write is durable by the
log of writes, with one sync that writers share, and the shard is flushed when that log has grown, or is some
minutes old: so it does not keep for long what was deleted. What an earlier process wrote and did not flush is
written again from the log when the collection is opened.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from threading import Lock
from time import monotonic, sleep

from rag.errors import AegisError
from rag.model import DocumentVersion, Hit, Passage, Point, SearchQuery
from rag.ports.paging import Window
from rag.vectors.edge.compaction import SLICE, Compaction
from rag.vectors.edge.folders import CollectionFolder, sweep_shards
from rag.vectors.edge.shard import Shard
from rag.vectors.edge.token_vectors import TokenVectors
from rag.vectors.edge.write_log import Deletion, WriteLog
from rag.vectors.payload import Vectors, Versions, check_points, check_query, payload_of

log = logging.getLogger(__name__)

SCROLLED = 128
"""The most points of one page: about 2 ms during which no search runs."""

WORTH_COMPACTING = 50_000
"""Deleted points whose vectors still lie on the disk, some 2.5 KB each."""

LOGGED_BYTES = 32 << 20
"""Size of the log of writes from which on the shard is flushed: about 1,300 points with token vectors."""

RETIRED_SECONDS = 300.0
"""Age of the oldest logged write from which on the shard is flushed."""

LEFT_SECONDS = 300.0
"""The pause after a failed try to compact a collection."""


class EdgeCollection:
    """An open collection. One writer at a time; searches run beside it."""

    def __init__(self, folder: CollectionFolder) -> None:
        self.folder = folder
        sweep_shards(folder)
        self._shard = Shard(folder.shard)
        self._tokens = _tokens_of(folder)
        self._writing = Lock()
        self._compaction: Compaction | None = None
        self._deleted = 0
        self._left_until = 0.0
        self._read_at = monotonic()
        self._log = WriteLog(folder.writes)
        self._repeat_writes()

    @staticmethod
    def create(folder: CollectionFolder) -> None:
        """Make the collection's files on disk, and close them."""
        Shard.create(folder.shard, folder.spec.dimension)
        tokens = _tokens_of(folder)
        if tokens:
            tokens.close()

    def upsert(self, points: Sequence[Point]) -> None:
        """Check all points, then write them. They are durable on return. InvalidRequest."""
        check_points(points, self.folder.spec)
        with self._writing:
            self._note_changed(*{point.passage.document_id for point in points})
            self._put(points)
            number = self._log.append(points)
        self._make_durable(number)

    def delete(self, document_id: str, versions: Versions) -> None:
        with self._writing:
            self._note_changed(document_id)
            before = self._shard.count(document_id)
            self._remove(document_id, versions)
            self._deleted += before - self._shard.count(document_id)
            number = self._log.append(Deletion(document_id, versions))
        self._make_durable(number)

    def _put(self, points: Sequence[Point]) -> None:
        rows = [(point, payload_of(point.passage)) for point in points]
        if self._tokens:
            self._tokens.put(points)
        for start in range(0, len(rows), SLICE):
            self._shard.upsert(rows[start : start + SLICE])

    def _remove(self, document_id: str, versions: Versions) -> None:
        self._shard.delete(document_id, versions)
        if self._tokens:
            self._tokens.delete(document_id, versions)

    def _make_durable(self, number: int) -> None:
        """Return when the logged write of this number survives a power cut."""
        is_synced = self._log.sync(number)
        if not is_synced or self._log.size > LOGGED_BYTES:
            with self._writing:
                self._flush()

    def _flush(self) -> None:
        """Make all that was written durable in the collection's own files, so that the log can be emptied."""
        self._shard.flush()
        if self._tokens:
            self._tokens.flush()
        self._log.clear()

    def flush_if_old(self) -> None:
        """Flush when the oldest logged write has waited for RETIRED_SECONDS."""
        with self._writing:
            if self._log.age >= RETIRED_SECONDS:
                self._flush()

    def _repeat_writes(self) -> None:
        """Write what the log has once more. That changes nothing where it is there already."""
        for write in self._log.writes():
            if isinstance(write, Deletion):
                self._remove(write.document_id, write.versions)
            else:
                self._put(write)
        if self._log.size:
            self._flush()

    def search(self, query: SearchQuery) -> list[Hit]:
        check_query(query, self.folder.spec)
        self._read_at = monotonic()
        return self._shard.search(query)

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, Vectors]:
        """Dense and token vectors of those points that exist, by id."""
        self._read_at = monotonic()
        dense = self._shard.dense(chunk_ids)
        tokens = self._tokens.get(chunk_ids) if self._tokens else {}
        return {chunk_id: (vector, tokens.get(chunk_id)) for chunk_id, vector in dense.items()}

    def passages(self, version: DocumentVersion) -> list[Passage]:
        return self._shard.passages(version)

    def scroll(
        self, after: str | None, limit: int, versions: Sequence[DocumentVersion] | None
    ) -> Window[Point]:
        """A page of points with their token vectors. Writes wait, so both are of the same version."""
        most = min(limit, SCROLLED)
        with self._writing:
            points = self._shard.scroll(after, most, versions)
            tokens = self._tokens.get([point.passage.chunk_id for point in points]) if self._tokens else {}
        items = tuple(replace(point, tokens=tokens.get(point.passage.chunk_id)) for point in points)
        return Window(items, items[-1].passage.chunk_id if len(items) == most else None)

    def count(self, document_id: str | None) -> int:
        return self._shard.count(document_id)

    def searched_within(self, seconds: float) -> bool:
        """Whether the collection was searched or opened less than ``seconds`` ago."""
        return monotonic() - self._read_at < seconds

    def compact_if_it_pays(self, go_on: Callable[[], bool]) -> bool:
        """Compact when there is enough to gain, and tell whether it was tried.

        Searches and writes run between its steps; ``go_on`` is asked there. After a failure it is not
        tried for some minutes.
        """
        if self._deleted < WORTH_COMPACTING or monotonic() < self._left_until:
            return False
        began = monotonic()
        try:
            if self._compact(go_on):
                log.info("compacted %s in %.1f s", self.folder.name, monotonic() - began)
        except (AegisError, OSError) as error:
            self._left_until = monotonic() + LEFT_SECONDS
            log.warning("compacting %s failed, so it takes more disk: %s", self.folder.name, error)
        return True

    def _compact(self, go_on: Callable[[], bool]) -> bool:
        """Whether it came to its end: it is given up when ``go_on`` says no."""
        with self._writing:
            compaction = self._compaction = Compaction(self.folder, self._shard)
        steps = compaction.steps()
        try:
            while self._take(steps, compaction):
                if not go_on():
                    return False
            return True
        finally:
            self._compaction = None
            sweep_shards(self.folder)

    def _take(self, steps: Iterator[None], compaction: Compaction) -> bool:
        """Take a step, and rest for as long as it took. After the last one go on with the copy: False."""
        began = monotonic()
        with self._writing:
            try:
                next(steps)
            except StopIteration:
                compaction.finish()
                self._shard, self.folder = compaction.copy, compaction.folder
                self._deleted = 0
                return False
        sleep(monotonic() - began)
        return True

    def _note_changed(self, *document_ids: str) -> None:
        if self._compaction:
            self._compaction.changed.update(document_ids)

    def close(self) -> None:
        with self._writing:
            self._flush()
            self._shard.close()
            if self._tokens:
                self._tokens.close()
            self._log.close()


def _tokens_of(folder: CollectionFolder) -> TokenVectors | None:
    dimension = folder.spec.token_dimension
    return TokenVectors(folder.tokens, dimension) if dimension else None
