"""What the protocol does for each byte of a body, without any socket."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from api.http.connections import Bounds, Connections
from api.http.protocol import BoundedProtocol

HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
KIB = 1 << 10


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""

    def close(self) -> None:
        """Stays."""


async def unanswering(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


def fed(*sent: bytes) -> bytes:
    """What was answered to ``sent``, each of which came at once."""

    async def work() -> bytes:
        config = Config(unanswering, http=BoundedProtocol, ws="none", log_config=None, proxy_headers=False)
        config.load()
        loop = asyncio.get_running_loop()
        protocol = BoundedProtocol(Connections(Bounds()), config, ServerState(), {}, loop)
        wire = Wire()
        protocol.connection_made(wire)
        for data in sent:
            protocol.data_received(data)
        protocol.connection_lost(None)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return bytes(wire.written)

    return asyncio.run(work())


@pytest.fixture
def handed_on(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The pieces of bodies that uvicorn got to see."""
    pieces: list[bytes] = []
    original: Callable[[HttpToolsProtocol, bytes], None] = HttpToolsProtocol.on_body

    def on_body(protocol: HttpToolsProtocol, body: bytes) -> None:
        pieces.append(body)
        original(protocol, body)

    monkeypatch.setattr(HttpToolsProtocol, "on_body", on_body)
    return pieces


def chunks(size: int, count: int) -> bytes:
    return (b"%x\r\n" % size + b"x" * size + b"\r\n") * count


def test_small_chunks_are_handed_on_together(handed_on: list[bytes]) -> None:
    body = chunks(32, 6_000)

    assert fed(HEAD, body + b"0\r\n\r\n") == b""

    assert sum(map(len, handed_on)) == 6_000 * 32
    assert len(handed_on) <= len(body) // (16 * KIB) + 1  # it was 6,000


def test_tiny_chunks_are_refused_early(handed_on: list[bytes]) -> None:
    answer = fed(HEAD, chunks(1, 50_000))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert sum(map(len, handed_on)) < 8 * KIB  # it was 16,384 and as many pieces


def test_some_tiny_chunks_are_taken(handed_on: list[bytes]) -> None:
    assert fed(HEAD, *[chunks(1, 1)] * 2_000, b"0\r\n\r\n") == b""

    assert b"".join(handed_on) == b"x" * 2_000
