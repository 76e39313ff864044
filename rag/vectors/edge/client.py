"""The vector store as every process but the engine sees it: calls over the engine's Unix socket."""

import os
import random
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rag.errors import TimedOut, Unavailable
from rag.model import Candidate, CollectionSpec, DocumentVersion, Hit, Passage, Point, SearchQuery
from rag.ports.paging import Window
from rag.vectors.edge import wire
from rag.vectors.payload import Vectors, candidates_of

Connection: TypeAlias = socket.socket

SLICE = 256
"""Points in one message: about 6 MB with token vectors, acknowledged by itself, so synchronised once."""

_WRITES = ("ensure", "drop", "upsert", "delete")
_READ_PATIENCE = 2.0
"""Somebody waits for an answer."""


@dataclass(frozen=True, slots=True)
class _Limits:
    """Of one call, by the monotonic clock. ``absent``: until then the engine may be away."""

    deadline: float
    absent: float


class RemoteVectorStore:
    """``rag.ports.VectorStore`` over ``socket``. Safe for threads and for forks.

    Every call ends within ``timeout`` seconds, TimedOut. A call that met a broken
    connection is made once more, as every call may be repeated; then Unavailable.
    An engine that is absent is waited for: ``patience`` seconds by a write, 2 at most by a
    read, and by a ping not at all.
    """

    def __init__(self, socket: Path, timeout: float, patience: float = 0.0) -> None:
        self._path = socket
        self._timeout = timeout
        self._patience = min(patience, timeout)
        self._idle = (os.getpid(), list[Connection]())

    def ensure(self, collection: str, spec: CollectionSpec) -> None:
        self._call("ensure", collection, spec)

    def drop(self, collection: str) -> None:
        self._call("drop", collection)

    def collections(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self._call("collections")
        return names

    def upsert(self, collection: str, points: Sequence[Point]) -> None:
        for start in range(0, len(points), SLICE):
            self._call("upsert", collection, list(points[start : start + SLICE]))

    def delete(
        self,
        collection: str,
        document_id: str,
        *,
        below: int | None = None,
        keep: int | None = None,
        only: int | None = None,
    ) -> None:
        self._call("delete", collection, document_id, below=below, keep=keep, only=only)

    def search(self, collection: str, query: SearchQuery) -> list[Hit]:
        hits: list[Hit] = self._call("search", collection, query)
        return hits

    def candidates(self, collection: str, hits: Sequence[Hit]) -> list[Candidate]:
        ids = [hit.passage.chunk_id for hit in hits]
        vectors: dict[str, Vectors] = self._call("vectors", collection, ids)
        return candidates_of(hits, vectors)

    def passages(self, collection: str, version: DocumentVersion) -> list[Passage]:
        found: list[Passage] = self._call("passages", collection, version)
        return found

    def scroll(
        self,
        collection: str,
        *,
        after: str | None,
        limit: int,
        versions: Sequence[DocumentVersion] | None = None,
    ) -> Window[Point]:
        wanted = None if versions is None else list(versions)
        page: Window[Point] = self._call("scroll", collection, after=after, limit=limit, versions=wanted)
        return page

    def alias(self, name: str, collection: str) -> None:
        """Nobody but Aegis reads an embedded collection, so it needs no other name."""

    def count(self, collection: str, document_id: str | None = None) -> int:
        points: int = self._call("count", collection, document_id)
        return points

    def ping(self) -> None:
        self._call("ping")

    def close(self) -> None:
        """Close the connections; the next call opens a new one."""
        idle = self._connections()
        while idle:
            with suppress(IndexError):  # another thread was quicker
                idle.pop().close()

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """The engine's answer, or its error raised here."""
        request = wire.packed([method, list(arguments), named])
        limits = self._limits_of(method)
        try:
            error, value = wire.unpacked(self._exchange(request, limits))
        except TimeoutError as late:
            raise TimedOut(f"the vector engine did not answer {method} within {self._timeout:g} s") from late
        except (OSError, ValueError) as broken:
            raise Unavailable(
                f"the vector engine at {self._path} is away: {broken}", retry_after=2
            ) from broken
        if error:
            raise wire.error_from(*error)
        return value

    def _limits_of(self, method: str) -> _Limits:
        began, patience = time.monotonic(), 0.0
        if method in _WRITES:
            patience = self._patience
        elif method != "ping":
            patience = min(self._patience, _READ_PATIENCE)
        return _Limits(deadline=began + self._timeout, absent=began + patience)

    def _exchange(self, request: bytes, limits: _Limits) -> bytes:
        try:
            return self._attempt(request, limits)
        except TimeoutError:
            raise
        except OSError:
            self.close()  # the engine has ended: every idle connection is as broken as this one
            time.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - jitter
            return self._attempt(request, limits)

    def _attempt(self, request: bytes, limits: _Limits) -> bytes:
        connection = self._taken() or self._connect(limits)
        try:
            _limit(connection, limits.deadline)
            wire.send(connection, request)
            answer = wire.receive_answer(connection)
        except BaseException:
            connection.close()
            raise
        self._connections().append(connection)
        return answer

    def _taken(self) -> Connection | None:
        try:
            return self._connections().pop()
        except IndexError:
            return None

    def _connections(self) -> list[Connection]:
        """The idle connections of this process. A forked child leaves its parent's alone."""
        process, idle = self._idle
        if process != os.getpid():
            idle = []
            self._idle = (os.getpid(), idle)
        return idle

    def _connect(self, limits: _Limits) -> Connection:
        while True:
            try:
                return self._open(limits.deadline)
            except TimeoutError:
                raise
            except OSError:
                pause = random.uniform(0.1, 0.5)  # noqa: S311 - jitter
                if time.monotonic() + pause > limits.absent:
                    raise
                time.sleep(pause)

    def _open(self, deadline: float) -> Connection:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _limit(connection, deadline)
            connection.connect(str(self._path))
        except BaseException:
            connection.close()
            raise
        return connection


def _limit(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
