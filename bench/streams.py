"""Readers of event streams that do as little as a reader can: they take what comes, and drop it.

They share the machine with the stack, so a client that looks at each event would be most of what is measured.
"""

import select
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from time import sleep, thread_time
from urllib.parse import urlencode, urlsplit

from rag.errors import Unavailable

JOBS_EACH = 100
"""Jobs that one reader follows by one stream."""

_PIECE = 1 << 20
_PAUSE_SECONDS = 0.05  # between two looks at all streams
_HEAD_SECONDS = 30.0


@contextmanager
def reading(url: str, jobs: Sequence[str], readers: int) -> Iterator[Future[float]]:
    """Follow ``jobs`` by so many readers, each by a stream of its own that has begun when the block begins.

    The future has the processor seconds that reading took, once all streams have ended.
    Raises Unavailable when a stream is refused.
    """
    with ExitStack() as open_streams, ThreadPoolExecutor(1) as pool:
        streams = [
            open_streams.enter_context(_open_stream(url, _followed(jobs, reader, readers)))
            for reader in range(readers)
        ]
        for stream in streams:
            _await_head(stream)
        yield pool.submit(_drain, streams)


def _followed(jobs: Sequence[str], reader: int, readers: int) -> list[str]:
    first = reader * len(jobs) // readers
    return [jobs[(first + n) % len(jobs)] for n in range(min(JOBS_EACH, len(jobs)))]


def _open_stream(url: str, jobs: Sequence[str]) -> socket.socket:
    server = urlsplit(url)
    query = urlencode([("job", job) for job in jobs])
    stream = socket.create_connection((server.hostname, server.port), timeout=_HEAD_SECONDS)
    head = f"GET /v1/events?{query} HTTP/1.1\r\nHost: {server.netloc}\r\nConnection: close\r\n\r\n"
    stream.sendall(head.encode())
    return stream


def _await_head(stream: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = stream.recv(_PIECE)
        head += piece
        if not piece:
            break
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise Unavailable(f"a stream of events was refused: {head[:200]!r}")


def _drain(streams: Sequence[socket.socket]) -> float:
    """Read all streams to their ends. Returns the processor seconds that it took."""
    begun, left = thread_time(), list(streams)
    while left:
        sleep(_PAUSE_SECONDS)
        ready, _, _ = select.select(left, (), (), 0)
        left = [stream for stream in left if stream not in ready or stream.recv(_PIECE)]
    return thread_time() - begun
