"""The embedded engine for all other processes: calls over the Unix socket of the engine's process."""

import os
import random
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from rag.errors import Conflict, NotFound, TimedOut, Unavailable
from rag.model import (
    Candidate,
    CollectionSpec,
    DocumentVersion,
    Engine,
    Hit,
    Passage,
    Point,
    SearchQuery,
    SnapshotFile,
)
from rag.ports.paging import Window
from rag.vectors.edge import wire
from rag.vectors.payload import Vectors, candidates_of

Connection: TypeAlias = socket.socket

SLICE = 256
"""Points in one message: about 6 MB with token vectors. The engine syncs its log once a message."""

_WRITES = ("ensure", "drop", "upsert", "delete")
_READ_PATIENCE = 2.0
"""Seconds; a caller waits for the answer."""


@dataclass(frozen=True, slots=True)
class _Limits:
    """Of one call, by the monotonic clock. ``absent``: until then, the call waits for a missing engine."""

    deadline: float
    absent: float


class RemoteVectorStore:
    """``rag.ports.VectorStore`` over ``socket``. Safe for threads and for forks.

    A call raises TimedOut after ``timeout`` seconds. When its connection breaks, it is made
    once more, since every call may be repeated; then it raises Unavailable. A write waits
    ``patience`` seconds for an absent engine, a read 2 at most, and a ping does not wait.
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
        patience = self._patience if method in _WRITES else min(self._patience, _READ_PATIENCE)
        now = time.monotonic()
        limits = _Limits(now + self._timeout, absent=now + (0.0 if method == "ping" else patience))
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

    def _exchange(self, request: bytes, limits: _Limits) -> bytes:
        try:
            return self._attempt(request, limits)
        except TimeoutError:
            raise
        except OSError:
            self.close()  # the engine has ended, so every idle connection is broken too
            time.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - jitter
            return self._attempt(request, limits)

    def _attempt(self, request: bytes, limits: _Limits) -> bytes:
        try:
            connection = self._connections().pop()
        except IndexError:
            connection = self._connect(limits)
        try:
            _limit(connection, limits.deadline)
            wire.send(connection, request)
            answer = wire.receive_answer(connection)
        except BaseException:  # a late answer on this connection would be taken for the next call's
            connection.close()
            raise
        self._connections().append(connection)
        return answer

    def _connections(self) -> list[Connection]:
        """The idle connections of this process. A forked child must not use its parent's."""
        process, idle = self._idle
        if process != os.getpid():
            idle = []
            self._idle = (os.getpid(), idle)
        return idle

    def _connect(self, limits: _Limits) -> Connection:
        while True:
            try:
                with ExitStack() as undo:
                    connection = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                    _limit(connection, limits.deadline)
                    connection.connect(str(self._path))
                    undo.pop_all()
                    return connection
            except TimeoutError:
                raise
            except OSError:
                pause = random.uniform(0.1, 0.5)  # noqa: S311 - jitter
                if time.monotonic() + pause > limits.absent:
                    raise
                time.sleep(pause)


def _limit(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)


class NoSnapshots:
    """``rag.ports.Snapshots`` of the embedded engine, which makes none. Its backups consist of points."""

    @property
    def engine(self) -> Engine:
        return Engine("edge", version("qdrant-edge-py"))

    def take(self, *_: object, **__: object) -> tuple[SnapshotFile, ...]:
        return ()

    def read(self, *_: object, **__: object) -> Iterator[bytes]:
        raise NotFound("the embedded engine makes no snapshots")

    def release(self, *_: object, **__: object) -> None:
        """There is none to remove."""

    def taken(self) -> tuple[str, ...]:
        return ()

    def accepts(self, *_: object, **__: object) -> bool:
        return False

    def load(self, *_: object, **__: object) -> None:
        raise Conflict("the embedded engine loads no snapshots, only points")
