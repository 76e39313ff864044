"""A clock that was put back gives an hour more to what ends at a time of day: nobody waits for that."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from redis import Redis

from beat.scheduler import BeatingScheduler
from rag.liveness import WorkerSign
from rag.settings import Settings
from rag.stores.heartbeats import Heartbeats
from rag.stores.jobs import RedisJobStore
from rag.stores.recovery import Recovery
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
    put_back("{aegis}:sign:worker:parse@a:7")

    assert heartbeats.seen().workers == ()


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


def test_beat_goes_on_sending(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was sent in the future counts as sent at this moment."""
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", valkey)
    entries = {"sweep": {"task": "sweep", "schedule": 15.0}}
    app = Celery(set_as_current=False, broker="memory://")
    app.conf.beat_schedule = entries
    scheduler = BeatingScheduler(app, schedule_filename=str(tmp_path / "schedule"))
    (entry,) = (entry for entry in scheduler.schedule.values() if entry.name == "sweep")
    scheduler.tick()
    entry.last_run_at += timedelta(hours=1)

    scheduler.tick()

    assert entry.last_run_at <= entry.default_now()
    assert not entry.is_due().is_due
    assert entry.is_due().next <= 15
    scheduler.close()
