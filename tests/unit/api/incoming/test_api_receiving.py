"""Places, bytes and time for bodies: nobody has all of them, and who is slow gives way."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from api.incoming import receiving
from api.incoming.receiving import KIB, SMALL, BodyReceiver, Limit
from rag.errors import DocumentTooLarge, Overloaded

LIMIT = Limit(1024 * KIB, DocumentTooLarge("too large"))


class Sender:
    """A request whose body comes as the test says."""

    def __init__(self, *pieces: bytes, whole: bool = False, length: int | None = None) -> None:
        self._coming = list(pieces)
        self._whole = whole
        headers = [] if length is None else [(b"content-length", str(length).encode())]
        self.request = Request({"type": "http", "method": "POST", "headers": headers}, self._receive)

    async def _receive(self) -> dict[str, object]:
        if self._coming:
            return {"type": "http.request", "body": self._coming.pop(0), "more_body": True}
        if not self._whole:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


async def half_sent(receiver: BodyReceiver, owners: Sequence[str]) -> list["asyncio.Task[bytes]"]:
    """Bodies that do not go on."""
    tasks = [asyncio.create_task(receiver.receive_small(Sender(b"half").request, owner)) for owner in owners]
    await asyncio.sleep(0.01)
    return tasks


async def ended(tasks: Sequence["asyncio.Task[bytes]"]) -> list[BaseException | bytes]:
    for task in tasks:
        task.cancel()
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_a_body_arrives_whole_and_leaves_nothing() -> None:
    receiver = BodyReceiver(places=4, budget=4096 * KIB)
    data = bytes(range(256)) * 2000

    async def work() -> None:
        assert await receiver.receive_small(Sender(b"a", b"b", whole=True).request, "x") == b"ab"
        sender = Sender(data[:1000], data[1000:], whole=True)
        async with receiver.document(sender.request, "x", LIMIT) as file:
            assert file.read() == data
            assert receiver._held == {"x": len(data)}

    run(work())
    assert not receiver._held
    assert not receiver._receiving


@pytest.mark.parametrize("sender", [Sender(bytes(SMALL.most + 1)), Sender(length=SMALL.most + 1)])
def test_a_body_over_its_limit_is_ended(sender: Sender) -> None:
    receiver = BodyReceiver(places=4, budget=4096 * KIB)

    with pytest.raises(HTTPException) as caught:
        run(receiver.receive_small(sender.request, "x"))  # type: ignore[arg-type]  # what it gives is of no interest

    assert caught.value.status_code == 413
    assert not receiver._held


def test_one_caller_has_half_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = BodyReceiver(places=99, budget=100 * KIB)
    piece = bytes(20 * KIB)

    async def work() -> None:
        async with receiver.document(Sender(piece, piece, whole=True).request, "greedy", LIMIT):
            with pytest.raises(Overloaded) as caught:
                await receiver.receive_small(Sender(piece, whole=True).request, "greedy")
            assert caught.value.retry_after
            await receiver.receive_small(Sender(piece, whole=True).request, "other")
            async with receiver.document(Sender(piece, piece, whole=True).request, "other", LIMIT):
                with pytest.raises(Overloaded):
                    await receiver.receive_small(Sender(piece, piece, whole=True).request, "third")

    run(work())


def test_one_caller_has_half_of_the_places() -> None:
    receiver = BodyReceiver(places=6, budget=999 * KIB)

    async def work() -> None:
        tasks = await half_sent(receiver, ["greedy"] * 4)
        assert isinstance(tasks[3].exception(), Overloaded)  # none of the others is known to be slow yet
        assert not any(task.done() for task in tasks[:3])
        assert await receiver.receive_small(Sender(b"x", whole=True).request, "other") == b"x"
        await ended(tasks)

    run(work())


def test_who_is_slow_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_SETTLED_SECONDS", 0.1)
    receiver = BodyReceiver(places=4, budget=999 * KIB)

    async def work() -> None:
        tasks = await half_sent(receiver, ["a", "a", "b"])
        await asyncio.sleep(0.2)
        assert await receiver.receive_small(Sender(b"x", whole=True).request, "a") == b"x"
        await asyncio.sleep(0.01)
        (lost,) = [task.exception() for task in tasks[:2] if task.done()]
        assert isinstance(lost, HTTPException)
        assert lost.status_code == 408
        assert not tasks[2].done()
        await ended(tasks)

    run(work())


def test_who_is_too_slow_ends_by_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "GRACE_SECONDS", 0.2)
    receiver = BodyReceiver(places=4, budget=999 * KIB)

    with pytest.raises(HTTPException) as caught:
        run(receiver.receive_small(Sender(b"half").request, "x"))  # type: ignore[arg-type]  # as above

    assert caught.value.status_code == 408
    assert not receiver._receiving
