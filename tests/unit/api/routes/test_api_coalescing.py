"""What anybody may ask for: one question a second, however many ask."""

import asyncio
import threading

import pytest

from api.routes import coalescing
from api.routes.coalescing import Coalesced


def test_whoever_asks_meanwhile_shares_the_answer() -> None:
    asked, going = [], threading.Event()

    def collect() -> int:
        asked.append(1)
        assert going.wait(60)
        return len(asked)

    async def many() -> list[int]:
        answers = Coalesced(collect)
        waiting = [asyncio.create_task(answers.get()) for _ in range(100)]
        await asyncio.sleep(0)
        waiting.pop(0).cancel()  # the one that began it goes away
        going.set()
        return [*await asyncio.gather(*waiting), await answers.get()]

    assert asyncio.run(many()) == [1] * 100


def test_it_is_asked_for_again_once_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(coalescing, "monotonic", lambda: now)
    asked: list[int] = []

    async def both() -> None:
        nonlocal now
        answers = Coalesced(lambda: asked.append(1) or len(asked))

        assert await answers.get() == 1
        now += 0.9
        assert await answers.get() == 1
        now += 0.2
        assert await answers.get() == 2

    asyncio.run(both())


def test_what_went_wrong_is_not_kept() -> None:
    outcomes = [OSError("no"), None]

    def collect() -> str:
        if error := outcomes.pop(0):
            raise error
        return "yes"

    async def both() -> str:
        answers = Coalesced(collect)
        with pytest.raises(OSError, match="no"):
            await answers.get()
        return await answers.get()

    assert asyncio.run(both()) == "yes"
