"""The feed from which all streams of many jobs get their events, over jobs that are made up here."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import cast

import pytest

from api.calls.event_feed import Follower, JobEventFeed, encode_event
from rag.errors import Unavailable
from rag.model import EventKind, JobEvent, JobNews
from rag.ports import JobStore
from rag.redis.job_notifications import ChangeFeed, Watch


class MadeUpJobs:
    """``events`` by job, and the jobs that are ``over``. A read waits for ``may_read``."""

    def __init__(self) -> None:
        self.events: dict[str, list[JobEvent]] = {}
        self.over: set[str] = set()
        self.long: set[str] = set()
        self.reads: list[Mapping[str, str | None]] = []
        self.error: Exception | None = None
        self.may_read = threading.Event()
        self.may_read.set()

    def tell(self, job_id: str, number: int, kind: EventKind = EventKind.PROGRESS) -> None:
        self.events.setdefault(job_id, []).append(JobEvent(f"{number}-0", kind, {"done": number}))
        if kind is EventKind.RESULT:
            self.over.add(job_id)

    def news(self, heard: Mapping[str, str | None]) -> JobNews:
        if self.error is not None:
            raise self.error
        self.reads.append(dict(heard))
        told = [
            (job_id, event)
            for job_id, after in heard.items()
            for event in self.events.get(job_id, ())
            if _number(event.id) > _number(after or "0-0")
        ]
        told.sort(key=lambda each: _number(each[1].id))
        read = {job_id: event.id for job_id, event in told}
        news = JobNews(tuple(told), read, frozenset(self.over & heard.keys()), frozenset(self.long))
        assert self.may_read.wait(10)
        return news


class Changes:
    """Notifications that never come but by ``wake``, and the jobs that they were wanted of."""

    def __init__(self) -> None:
        self.watches: list[Watch] = []

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[Watch]:
        self.watches.append(Watch(every=True))
        yield self.watches[-1]
        self.watches.pop()

    def add(self, watch: Watch, *job_ids: str) -> None:
        watch.jobs.update(job_ids)

    def remove(self, watch: Watch, *job_ids: str) -> None:
        watch.jobs.difference_update(job_ids)

    def wake(self) -> None:
        for watch in self.watches:
            watch.wake()


Scene = Callable[[JobEventFeed, MadeUpJobs, Changes], Awaitable[None]]


def play(scene: Scene, stopping: threading.Event | None = None) -> None:
    """Run ``scene``, after which the feed must have nothing left to do."""

    async def run() -> None:
        jobs, changes = MadeUpJobs(), Changes()
        stop = stopping or threading.Event()
        feed = JobEventFeed(cast(JobStore, jobs), cast(ChangeFeed, changes), stop)
        await asyncio.wait_for(scene(feed, jobs, changes), 20)
        changes.wake()
        deadline = asyncio.get_running_loop().time() + 5
        while len(asyncio.all_tasks()) > 1:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)

    asyncio.run(run())


async def heard_by(follower: Follower, count: int) -> list[tuple[str, str]]:
    """Job and id of so many events that the follower gets, or of fewer, where it gets no more."""
    heard: list[tuple[str, str]] = []
    while len(heard) < count:
        assert await follower.wait(5), heard
        entries, ends = follower.take()
        heard += [(entry.job_id, entry.event.id) for entry in entries]
        if ends:
            break
    return heard


async def drained(follower: Follower) -> list[tuple[str, str]]:
    return await heard_by(follower, 1_000)


def _number(event_id: str) -> int:
    return int(event_id.partition("-")[0])


async def _read_again(jobs: MadeUpJobs) -> None:
    """Wait for one more read."""
    before = len(jobs.reads)
    while len(jobs.reads) == before:  # noqa: ASYNC110 - the read runs in a thread
        await asyncio.sleep(0.01)


def test_a_hundred_streams_are_read_for_once() -> None:
    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, _: Changes) -> None:
        for number in (3, 1, 2):
            jobs.tell(f"job-{number}", number)
            jobs.tell(f"job-{number}", number + 10, EventKind.RESULT)
        ids = dict.fromkeys(jobs.events)

        async def stream() -> list[tuple[str, str]]:
            async with feed.follow(ids) as follower:
                return await drained(follower)

        streams = await asyncio.gather(*(stream() for _ in range(100)))

        told = [(f"job-{n % 10}", f"{n}-0") for n in (1, 2, 3, 11, 12, 13)]
        assert streams == [told] * 100
        assert len(jobs.reads) == 1

    play(scene)


def test_who_comes_later_gets_what_was_read_before_in_order_and_nothing_twice() -> None:
    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, changes: Changes) -> None:
        jobs.tell("a", 1)
        jobs.tell("b", 2)
        async with feed.follow({"a": None}) as first:
            assert await heard_by(first, 1) == [("a", "1-0")]
            async with feed.follow({"a": None, "b": None}) as second, feed.follow({"a": "1-0"}) as resumed:
                assert await heard_by(second, 2) == [("a", "1-0"), ("b", "2-0")]
                jobs.tell("a", 3, EventKind.RESULT)
                changes.wake()
                for follower in (first, resumed):
                    assert await drained(follower) == [("a", "3-0")]
                assert await heard_by(second, 1) == [("a", "3-0")]
                jobs.tell("b", 4, EventKind.RESULT)
                changes.wake()
                assert await drained(second) == [("b", "4-0")]

    play(scene)


def test_who_comes_during_a_read_in_which_the_job_ends_hears_all_of_it() -> None:
    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, _: Changes) -> None:
        jobs.tell("a", 1)
        jobs.tell("a", 2, EventKind.RESULT)
        jobs.may_read.clear()
        async with feed.follow({"a": None}) as first:
            await _read_again(jobs)
            async with feed.follow({"a": None}) as second:
                jobs.may_read.set()
                for follower in (first, second):
                    assert await drained(follower) == [("a", "1-0"), ("a", "2-0")]

    play(scene)


def test_who_comes_for_a_job_that_was_left_during_a_read_hears_it_from_the_beginning() -> None:
    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, changes: Changes) -> None:
        jobs.tell("a", 1)
        async with feed.follow({"b": None}):
            async with feed.follow({"a": None}) as follower:
                assert await heard_by(follower, 1) == [("a", "1-0")]
                jobs.tell("a", 2)
                jobs.may_read.clear()
                changes.wake()
                await _read_again(jobs)
            async with feed.follow({"a": None}) as follower:
                jobs.may_read.set()
                assert await heard_by(follower, 2) == [("a", "1-0"), ("a", "2-0")]

    play(scene)


def test_a_job_that_runs_again_is_followed_anew() -> None:
    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, changes: Changes) -> None:
        jobs.tell("a", 1)
        jobs.over.add("a")
        async with feed.follow({"a": None, "b": None}) as first:
            assert await heard_by(first, 1) == [("a", "1-0")]
            jobs.over.clear()
            jobs.tell("a", 2)
            async with feed.follow({"a": None}) as second:
                assert await heard_by(second, 2) == [("a", "1-0"), ("a", "2-0")]
                jobs.tell("b", 3, EventKind.RESULT)
                changes.wake()
                assert await drained(first) == [("b", "3-0")], "it has seen the first end of that job"

    play(scene)


def test_under_load_notifications_are_not_asked_for() -> None:
    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, changes: Changes) -> None:
        async with feed.follow({"a": None}) as follower:
            while not changes.watches:  # noqa: ASYNC110 - nothing new yet: it waits for a change
                await asyncio.sleep(0.01)
            assert changes.watches[0].jobs == {"a"}
            number = 0
            while changes.watches:
                number += 1
                jobs.tell("a", number)
                changes.wake()
                await heard_by(follower, 1)
            assert number > 3
            jobs.tell("a", number + 1)
            assert await heard_by(follower, 1) == [("a", f"{number + 1}-0")]
            while not changes.watches:  # noqa: ASYNC110 - it is quiet again
                await asyncio.sleep(0.01)

    play(scene)


def test_what_stops_a_read_ends_all_streams_and_the_next_one_reads_anew() -> None:
    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, _: Changes) -> None:
        jobs.error = Unavailable("the broker is away")
        async with feed.follow({"a": None}) as first, feed.follow({"b": None}) as second:
            for follower in (first, second):
                assert await follower.wait(5)
                with pytest.raises(Unavailable):
                    follower.take()
        jobs.error = None
        jobs.tell("a", 1, EventKind.RESULT)
        async with feed.follow({"a": None}) as follower:
            assert await drained(follower) == [("a", "1-0")]

    play(scene)


def test_a_stopping_server_ends_its_streams_with_what_there_is() -> None:
    stopping = threading.Event()

    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, changes: Changes) -> None:
        async with feed.follow({"a": None}) as follower:
            await _read_again(jobs)
            jobs.tell("a", 1)
            stopping.set()
            changes.wake()
            assert await drained(follower) == [("a", "1-0")]
        async with feed.follow({"a": None}) as late:
            await drained(late)

    play(scene, stopping)


def test_a_long_result_is_not_kept() -> None:
    async def scene(feed: JobEventFeed, jobs: MadeUpJobs, _: Changes) -> None:
        jobs.long.add("a")
        for job_id in ("a", "b"):
            jobs.tell(job_id, 1)
            jobs.tell(job_id, 2, EventKind.RESULT)
        async with feed.follow({"a": None, "b": None}) as follower:
            assert await follower.wait(5)
            entries, _ends = follower.take()

        texts = [entry.text for entry in entries if entry.event.kind is EventKind.RESULT]
        assert texts == [None, encode_event("b", jobs.events["b"][-1])]

    play(scene)
