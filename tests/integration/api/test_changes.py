"""The change feed, on a real server that comes and goes."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import redis
from uuid_utils.compat import uuid7

from rag.errors import Overloaded
from rag.jobs import RedisJobStore
from rag.model import JobKind, JobState, NewJob, Stage
from rag.redis import embedded
from rag.redis.job_notifications import ChangeFeed
from rag.settings import Settings
from tests.deliveries import begin
from tests.integration.brokers import ready


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(aegis_home=tmp_path)


@contextmanager
def running(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    server = subprocess.Popen(embedded.command(settings))
    try:
        ready(settings, 10)
        yield server
    finally:
        server.kill()
        server.wait(10)


def with_feed(url: str, scene: Callable[[ChangeFeed], Awaitable[None]], **options: int) -> None:
    async def run() -> None:
        feed = ChangeFeed(url, **options)
        try:
            await asyncio.wait_for(scene(feed), 30)
        finally:
            await feed.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


@asynccontextmanager
async def subscribed(feed: ChangeFeed) -> AsyncIterator[None]:
    """The feed listens, and goes on while the block lasts: each subscription wakes everyone once."""
    async with feed.watch("nobody") as watch:
        assert await watch.wait(10)
        while await watch.wait(0.3):
            continue
        yield


def test_a_waiter_wakes_for_its_job_only(valkey: str, redis_client: redis.Redis) -> None:
    jobs = RedisJobStore(redis_client, Settings())

    async def scene(feed: ChangeFeed) -> None:
        mine, other = str(uuid7()), str(uuid7())
        async with (
            subscribed(feed),
            feed.watch(mine) as watch,
            feed.watch(mine) as second,
            feed.watch(other) as elsewhere,
        ):
            for job_id in (mine, "noise"):
                jobs.accept(NewJob(job_id, JobKind.QUERY, Stage.EMBED_QUERY, "docs", {}))
            assert await watch.wait(5)
            assert await second.wait(5)
            assert not await elsewhere.wait(0.05)
            assert not await watch.wait(0.05), "one change wakes once"
            jobs.cancel(mine)
            assert await watch.wait(5)

    with_feed(valkey, scene)


def test_who_waits_for_the_end_is_woken_by_nothing_else(valkey: str, redis_client: redis.Redis) -> None:
    jobs = RedisJobStore(redis_client, Settings())

    async def scene(feed: ChangeFeed) -> None:
        job_id = str(uuid7())
        async with subscribed(feed), feed.watch(job_id, every=False) as watch:
            jobs.accept(NewJob(job_id, JobKind.QUERY, Stage.EMBED_QUERY, "docs", {}))
            lease = begin(jobs, job_id, Stage.EMBED_QUERY, lease_seconds=10)
            assert lease is not None
            assert not await watch.wait(0.1)
            jobs.finish(lease, JobState.SUCCEEDED, result={})
            assert await watch.wait(5)

    with_feed(valkey, scene)


def test_no_change_after_the_record_was_read_is_missed(valkey: str, redis_client: redis.Redis) -> None:
    """Every job is ended at once after it was read, while a fresh feed is still connecting."""
    jobs = RedisJobStore(redis_client, Settings())

    async def until_over(feed: ChangeFeed, job_id: str) -> None:
        async with feed.watch(job_id) as watch:
            while True:
                job = jobs.get(job_id)
                assert job is not None
                if job.state is JobState.CANCELLED:
                    return
                jobs.cancel(job_id)
                assert await watch.wait(5)

    async def scene(feed: ChangeFeed) -> None:
        ids = [str(uuid7()) for _ in range(50)]
        for job_id in ids:
            jobs.accept(NewJob(job_id, JobKind.QUERY, Stage.EMBED_QUERY, "docs", {}))
        await asyncio.gather(*(until_over(feed, job_id) for job_id in ids))

    with_feed(valkey, scene)


def test_a_lost_server_is_found_again_and_everyone_woken(settings: Settings) -> None:
    async def scene(feed: ChangeFeed) -> None:
        async with feed.watch("job", every=False) as watch:
            with running(settings):
                assert await watch.wait(10)
            assert not await watch.wait(0.1)
            with running(settings):
                assert await watch.wait(10)

    with_feed(settings.records_url, scene)


def test_a_server_that_is_away_only_makes_waits_end_late(settings: Settings) -> None:
    async def scene(feed: ChangeFeed) -> None:
        async with feed.watch("job") as watch:
            assert not await watch.wait(0.2)

    with_feed(settings.records_url, scene)


def test_a_server_that_hangs_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rag.redis.job_notifications._QUIET_SECONDS", 0.1)

    async def given_up() -> None:
        while "silent" not in caplog.text:  # noqa: ASYNC110 - a log line sets no event
            await asyncio.sleep(0.01)

    async def scene(feed: ChangeFeed) -> None:
        with running(settings) as server:
            async with subscribed(feed), feed.watch("job") as watch:
                server.send_signal(signal.SIGSTOP)
                await asyncio.wait_for(given_up(), 10)
                assert not await watch.wait(0)
                server.send_signal(signal.SIGCONT)
                assert await watch.wait(10)

    with_feed(settings.records_url, scene)


def test_a_quiet_server_is_kept(valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.redis.job_notifications._QUIET_SECONDS", 0.05)

    async def scene(feed: ChangeFeed) -> None:
        async with subscribed(feed), feed.watch("job") as watch:
            assert not await watch.wait(1), "a new subscription would have woken it"

    with_feed(valkey, scene)


def test_closing_wakes_who_waits(valkey: str) -> None:
    async def scene(feed: ChangeFeed) -> None:
        async with subscribed(feed), feed.watch("job") as watch:
            waiting = asyncio.create_task(watch.wait(30))
            await asyncio.sleep(0)
            await feed.close()
            assert await waiting
        async with feed.watch("job") as late:
            assert await late.wait(30)

    with_feed(valkey, scene)


def test_waiters_are_counted(valkey: str) -> None:
    async def scene(feed: ChangeFeed) -> None:
        async with feed.watch("a"), feed.watch("a"):
            with pytest.raises(Overloaded):
                async with feed.watch("b"):
                    pass
        async with feed.watch("b"), feed.watch("b"):
            pass

    with_feed(valkey, scene, limit=2)
