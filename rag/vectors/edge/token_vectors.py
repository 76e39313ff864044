"""Token vectors of a collection, in one SQLite file beside the engine's shard.

Rerankers read them by id and never search them. The engine could store them as
multivectors, but it takes and returns every number as a Python object and holds the
interpreter lock: 50 ms for a batch of 64 passages and 8 ms for a query. SQLite needs 1 ms
without the lock, and half the disk space.

Vectors are written before their points and removed after them. So after a crash every
point still has its vectors, and the next removal of the document removes leftover vectors.

SQLite syncs nothing at a commit: the collection's log of writes makes them durable, and ``flush`` syncs
them here before that log is emptied. A power cut leaves the file as it was at an earlier commit.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from rag.errors import ErrorTable, Unavailable, translated
from rag.model import Point
from rag.system.filesystems import sync
from rag.vectors.payload import Versions

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
  id BLOB NOT NULL UNIQUE, document_id TEXT NOT NULL, version INTEGER NOT NULL, tokens BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS of_document ON vectors (document_id, version);
"""
_AT_ONCE = 500
_ERRORS: ErrorTable = {sqlite3.Error: Unavailable}


class TokenVectors:
    """Token vectors by point id: float16 of shape (tokens, ``dimension``).

    ``flush`` makes all earlier writes durable.
    """

    def __init__(self, path: Path, dimension: int) -> None:
        self._path, self._dimension = path, dimension
        with translated(_ERRORS, "token vectors"):
            self._writer = _connection(path)
            self._writer.executescript(_SCHEMA)
            self._reader = _connection(path)
        self._writing, self._reading = Lock(), Lock()

    def put(self, points: Sequence[Point]) -> None:
        rows = [
            (
                UUID(point.passage.chunk_id).bytes,
                point.passage.document_id,
                point.passage.version,
                np.ascontiguousarray(point.tokens, np.float16).tobytes(),
            )
            for point in points
            if point.tokens is not None
        ]
        bare = [(UUID(point.passage.chunk_id).bytes,) for point in points if point.tokens is None]
        with self._transaction() as writer:
            writer.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)
            writer.executemany("DELETE FROM vectors WHERE id = ?", bare)

    def get(self, chunk_ids: Sequence[str]) -> dict[str, NDArray[np.float16]]:
        """The token vectors of those points that have some, by id."""
        found: dict[str, NDArray[np.float16]] = {}
        for start in range(0, len(chunk_ids), _AT_ONCE):
            keys = [UUID(chunk_id).bytes for chunk_id in chunk_ids[start : start + _AT_ONCE]]
            marks = ",".join("?" * len(keys))
            with translated(_ERRORS, "token vectors"), self._reading:
                rows = self._reader.execute(
                    f"SELECT id, tokens FROM vectors WHERE id IN ({marks})",  # noqa: S608 - question marks only
                    keys,
                ).fetchall()
            for key, blob in rows:
                found[str(UUID(bytes=key))] = np.frombuffer(blob, np.float16).reshape(-1, self._dimension)
        return found

    def delete(self, document_id: str, versions: Versions) -> None:
        """Remove the vectors of these versions of the document."""
        with self._transaction() as writer:
            writer.execute(
                "DELETE FROM vectors WHERE document_id = ?1"
                " AND (?2 IS NULL OR version < ?2) AND (?3 IS NULL OR version <> ?3)"
                " AND (?4 IS NULL OR version = ?4)",
                (document_id, versions.below, versions.keep, versions.only),
            )

    def flush(self) -> None:
        """Sync the database and its write-ahead log, which have all that was committed between them."""
        with translated({OSError: Unavailable}, "token vectors"), self._writing:
            for path in (self._path, self._path.with_name(f"{self._path.name}-wal"), self._path.parent):
                sync(path)

    def close(self) -> None:
        with self._reading, self._writing:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated(_ERRORS, "token vectors"), self._writing, self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            yield self._writer


def _connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    # a row has many KB, so large pages save most of its overflow pages
    connection.execute("PRAGMA page_size = 16384")
    connection.execute("PRAGMA journal_mode = WAL")
    # a power cut may undo transactions that were committed to the WAL, but damages none
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 16777216")
    return connection
