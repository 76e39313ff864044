"""The verdict on a worker, from what it says of itself."""

from dataclasses import replace

from rag.redis.heartbeats import SLACK_SECONDS, Consumption, WorkerSign
from tasks.lanes import LANES

IDLE = WorkerSign(
    lane="parse", worker="parse@here", pid=7, idle=1.0, busy=None, task=None, limit=60.0, silence=30.0
)
BUSY = replace(IDLE, idle=0.0, busy=50.0, task="job.parse.1")


def test_an_idle_worker_that_takes_canaries_is_alive() -> None:
    assert replace(IDLE, idle=30.0).hang() is None


def test_an_idle_worker_that_takes_nothing_hangs() -> None:
    assert replace(IDLE, idle=31.0).hang() == "it has taken nothing from its queue for 31 s"


def test_a_busy_worker_is_alive_however_long_it_takes_nothing() -> None:
    assert replace(BUSY, idle=1000.0).hang() is None


def test_a_task_may_be_over_its_limit_by_as_much_as_its_pool_needs_to_end_it() -> None:
    assert replace(BUSY, busy=60.0 + SLACK_SECONDS).hang() is None
    assert (
        replace(BUSY, busy=61.0 + SLACK_SECONDS).hang()
        == "job.parse.1 has run for 76 s, and 60 s is its limit"
    )


def test_a_sign_is_read_as_it_was_written() -> None:
    assert WorkerSign.of(BUSY.words()) == BUSY


def test_idleness_counts_from_the_last_task_that_was_taken() -> None:
    seen = Consumption(now=100.0)

    seen.observe(taken=1, running=None, now=104.0)
    seen.observe(taken=1, running=None, now=110.0)

    assert seen.idle(110.0) == 6.0
    assert seen.busy(110.0) is None


def test_a_long_task_leaves_no_idleness_behind() -> None:
    seen = Consumption(now=0.0)

    seen.observe(taken=1, running="job.parse.1", now=2.0)
    seen.observe(taken=1, running="job.parse.1", now=602.0)
    assert (seen.task, seen.busy(602.0)) == ("job.parse.1", 600.0)
    seen.observe(taken=1, running=None, now=604.0)

    assert (seen.task, seen.busy(604.0), seen.idle(604.0)) == (None, None, 0.0)


def test_the_same_task_delivered_again_begins_anew() -> None:
    seen = Consumption(now=0.0)

    seen.observe(taken=1, running="job.parse.1", now=2.0)
    seen.observe(taken=2, running="job.parse.1", now=50.0)

    assert seen.busy(51.0) == 1.0


def test_what_could_not_be_taken_while_the_broker_was_away_is_forgiven() -> None:
    seen = Consumption(now=0.0)

    seen.forgive(now=100.0, grace=30.0)

    assert seen.idle(120.0) == 0.0
    assert seen.idle(140.0) == 10.0


def test_no_lane_is_called_beat() -> None:
    assert "beat" not in {lane.name for lane in LANES}
