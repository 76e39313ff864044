"""Places for work: a caller who takes all that it can leaves the rest to everybody else."""

import asyncio

from api.access.limits import FairSemaphore


async def enter(places: FairSemaphore, owner: str, entered: list[str], over: asyncio.Event) -> None:
    async with places.hold(owner):
        entered.append(owner)
        await over.wait()


def test_a_caller_waits_over_its_own_while_another_is_served() -> None:
    async def work() -> None:
        places, entered, over = FairSemaphore(6, own=3), list[str](), asyncio.Event()
        greedy = [asyncio.create_task(enter(places, "greedy", entered, over)) for _ in range(20)]
        await asyncio.sleep(0)
        others = [asyncio.create_task(enter(places, name, entered, over)) for name in "abcd"]
        await asyncio.sleep(0)

        assert entered == ["greedy"] * 3 + ["a", "b", "c"]
        over.set()
        await asyncio.gather(*greedy, *others)
        assert entered.count("greedy") == 20
        assert not places._own

    asyncio.run(asyncio.wait_for(work(), 30))


def test_one_place_is_everybodys() -> None:
    async def work() -> None:
        async with FairSemaphore(1, own=1).hold("a"):
            pass

    asyncio.run(asyncio.wait_for(work(), 30))
