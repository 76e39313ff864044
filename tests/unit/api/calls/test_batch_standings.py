"""Reading how batches stand, for all who ask at about the same time."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from api.calls.batch_standings import BatchStandings
from rag.errors import Unavailable
from rag.model import BatchStanding
from rag.ports import BatchStore


class MadeUpBatches:
    """``reads``: the batches that were read. A read waits for ``may_read``, and answers with its number."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.error: Exception | None = None
        self.may_read = threading.Event()
        self.may_read.set()

    def standing(self, batch_id: str) -> BatchStanding:
        self.reads.append(batch_id)
        number = len(self.reads)
        assert self.may_read.wait(10)
        if self.error is not None:
            raise self.error
        return cast(BatchStanding, number)


def play(scene: Callable[[BatchStandings, MadeUpBatches], Awaitable[None]]) -> None:
    batches = MadeUpBatches()
    asyncio.run(asyncio.wait_for(scene(BatchStandings(cast(BatchStore, batches)), batches), 20))


def test_all_who_ask_at_about_the_same_time_share_a_read_of_their_batch() -> None:
    async def scene(standings: BatchStandings, batches: MadeUpBatches) -> None:
        first = [standings.read_soon("a") for _ in range(50)] + [standings.read_soon("b")]
        assert len(set(await asyncio.gather(*first))) == 2
        assert sorted(batches.reads) == ["a", "b"]
        assert await standings.read_soon("a") == 3

    play(scene)


def test_who_asks_during_a_read_gets_a_later_one() -> None:
    async def scene(standings: BatchStandings, batches: MadeUpBatches) -> None:
        batches.may_read.clear()
        early = asyncio.create_task(standings.read_soon("a"))
        while not batches.reads:  # noqa: ASYNC110 - the read runs in a thread
            await asyncio.sleep(0.01)
        late = asyncio.create_task(standings.read_soon("a"))
        await asyncio.sleep(0)
        batches.may_read.set()
        assert await asyncio.gather(early, late) == [1, 2]

    play(scene)


def test_who_leaves_cancels_no_read_of_others() -> None:
    async def scene(standings: BatchStandings, batches: MadeUpBatches) -> None:
        leaving, staying = (asyncio.create_task(standings.read_soon("a")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying == 1

    play(scene)


def test_an_error_is_raised_for_all_and_the_next_read_is_a_new_one() -> None:
    async def scene(standings: BatchStandings, batches: MadeUpBatches) -> None:
        batches.error = Unavailable("the broker is away")
        raised = await asyncio.gather(*(standings.read_soon("a") for _ in range(2)), return_exceptions=True)
        assert [type(each) for each in raised] == [Unavailable] * 2
        batches.error = None
        assert await standings.read_soon("a") == 2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(standings.read_soon("a"), 0.001)

    play(scene)
