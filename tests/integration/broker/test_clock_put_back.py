"""A clock that was put back gives an hour more to what ends at a time of day: nobody waits for that."""

from collections.abc import Callable

import pytest
from celery import Celery
from redis import Redis

from beat.schedule import Entry
from beat.scheduler import BeatingScheduler
from rag.jobs import RedisJobStore
from rag.recovery.recovery import Recovery
from rag.redis.heartbeats import Heartbeats, WorkerSign
from rag.redis.schedule import EntryRecord, Runs
from rag.settings import Settings
from tests.system.running import until

HOUR_MS = 3_600_000


@pytest.fixture
def put_back(redis_client: Redis) -> Callable[[str], None]:
    """Make a key last as long as it does when the clock goes back by an hour."""

    def put_back(key: str) -> None:
        assert redis_client.pexpire(key, HOUR_MS)

    return put_back


def test_canaries_are_sent_again(redis_client: Redis, put_back: Callable[[str], None]) -> None:
    heartbeats = Heartbeats(redis_client)
    assert heartbeats.turn("parse", 0.2)
    put_back("{aegis}:canaries:parse")

    until(lambda: heartbeats.turn("parse", 0.2), seconds=10)


def test_whoever_ended_before_shows_no_sign_of_life(
    redis_client: Redis, put_back: Callable[[str], None]
) -> None:
    heartbeats = Heartbeats(redis_client)
    heartbeats.work(WorkerSign("parse", "parse@a", 7, 0.0, None, None, 900.0, 30.0))
    put_back("{aegis}:sign:worker:parse:parse@a:7")

    assert heartbeats.read_signs().workers == ()


def test_a_duty_that_was_left_undone_is_somebody_elses(
    redis_client: Redis, put_back: Callable[[str], None]
) -> None:
    jobs = RedisJobStore(redis_client, Settings())

    def taken() -> bool:
        with jobs.alone("sweep", seconds=0.2) as alone:
            return alone

    with jobs.alone("sweep", seconds=60):
        put_back("{aegis}:lock:sweep")
        until(taken, seconds=10)


def test_a_restoration_that_broke_off_is_not_under_way_for_long(
    redis_client: Redis, put_back: Callable[[str], None]
) -> None:
    recovery = Recovery(redis_client)
    redis_client.set("{aegis}:recovery", "somebody")
    put_back("{aegis}:recovery")

    assert recovery.under_way()

    assert redis_client.pttl("{aegis}:recovery") <= 30_000


def test_beat_goes_on_sending(redis_client: Redis, valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was sent in the future counts as sent at this moment."""
    monkeypatch.setenv("REDIS_URL", valkey)
    app, runs = Celery(set_as_current=False, broker="memory://"), Runs(redis_client)
    app.conf.beat_schedule = (Entry("sweep", 15.0, "sweep"),)
    scheduler = BeatingScheduler(app)
    scheduler.tick()
    sent = runs.read()[1]["sweep"]
    assert runs.swap("sweep", sent, EntryRecord(sent.last_at + 3600))

    scheduler.tick()

    now, records = runs.read()
    assert sent.last_at <= records["sweep"].last_at <= now
    assert records["sweep"].run is None
    scheduler.close()
