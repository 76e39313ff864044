"""What the queue lost is published again from the records, and a mere backlog is left alone."""

import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from beat.schedule import UPKEEP
from rag.model import JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from rag.stores.redis import connect
from tasks import maintenance, sweeping
from tasks.app import Lane, app, lane_of, publish
from tasks.sweeping import expired, messages, republish_lost
from tests.system.running import until
from workers.tools import Tools


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Records and queues on the same real server."""
    monkeypatch.setitem(app.conf, "broker_url", valkey.replace("unix://", "redis+socket://"))
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


def queued(tools: Tools, stage: Stage = Stage.PARSE, deadline: float | None = None) -> str:
    """A job that was recorded an hour ago."""
    job = tools.jobs.accept(NewJob(str(uuid7()), JobKind.INGEST, stage, "c", {}, deadline)).job
    with connect(tools.settings) as client:
        client.zadd("{aegis}:published", {job.id: time.time() - 3600})
    return job.id


def sent(tools: Tools, stage: Stage = Stage.PARSE) -> str:
    """A job that was recorded and published an hour ago."""
    job = tools.jobs.get(queued(tools, stage))
    assert job is not None
    publish(job)
    return job.id


def taken(lane: Lane) -> list[str]:
    """The id of the job that the lane's next message names, off the queue; none when there is no message."""
    with app.connection_for_read() as connection:
        channel = connection.channel()
        channel.queue_declare(lane.name)
        message = channel.basic_get(lane.name, no_ack=True)
    return [] if message is None else [message.headers["id"].split(".")[0]]


def delivered(lane: Lane) -> list[str]:
    """The ids of the jobs that all of the lane's messages name, off the queue."""
    return [job_id for _ in range(messages(lane)) for job_id in taken(lane)]


def test_a_recorded_job_without_a_message_gets_one(tools: Tools) -> None:
    queued(tools)
    assert messages(lane_of(Stage.PARSE)) == 0

    assert republish_lost(tools) == 1

    assert messages(lane_of(Stage.PARSE)) == 1


def test_what_beat_sends_meanwhile_is_no_message_of_a_job(tools: Tools) -> None:
    queued(tools, Stage.PURGE)
    for entry in UPKEEP:
        app.send_task(entry.task)

    assert republish_lost(tools) == 1

    assert messages(lane_of(Stage.PURGE)) == 1


def test_a_backlog_is_not_taken_for_a_loss(tools: Tools) -> None:
    for _ in range(3):
        sent(tools)

    assert republish_lost(tools) == 0

    assert messages(lane_of(Stage.PARSE)) == 3


def test_one_message_lost_of_a_long_backlog_is_made_up_for_with_one(tools: Tools) -> None:
    lost = queued(tools)
    for _ in range(20):
        sent(tools)

    assert republish_lost(tools) == 1
    assert republish_lost(tools) == 0

    assert delivered(lane_of(Stage.PARSE)).count(lost) == 1


def test_a_message_lost_in_the_middle_of_a_backlog_comes_when_its_turn_is_there(tools: Tools) -> None:
    first = [sent(tools) for _ in range(3)]
    lost = queued(tools)
    later = [sent(tools) for _ in range(3)]

    taken: list[str] = []
    for _ in range(12):  # sweeps, with a worker that does one job in between
        republish_lost(tools)
        taken += _worked(tools)
        with connect(tools.settings) as client:
            for job_id in client.zrange("{aegis}:published", 0, -1):
                client.zadd("{aegis}:published", {job_id: time.time() - 3600})

    assert sorted(taken) == sorted([*first, lost, *later])


def _worked(tools: Tools) -> list[str]:
    """Take one message and run its job to the end, if it is due."""
    for job_id in taken(lane_of(Stage.PARSE)):
        lease = tools.jobs.begin(job_id, Stage.PARSE, lease_seconds=30)
        if lease is not None and tools.jobs.finish(lease, JobState.SUCCEEDED):
            return [job_id]
    return []


def test_a_backlog_in_one_lane_hides_no_loss_in_another(tools: Tools) -> None:
    for _ in range(5):
        sent(tools)
    queued(tools, Stage.INDEX)

    assert republish_lost(tools) == 1

    assert messages(lane_of(Stage.INDEX)) == 1


def test_an_emptied_queue_is_filled_again_in_one_sweep(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 20)
    ids = [queued(tools) for _ in range(110)]

    assert republish_lost(tools) == 110

    assert sorted(delivered(lane_of(Stage.PARSE))) == sorted(ids)


def test_a_retry_that_is_not_due_yet_is_no_loss(tools: Tools) -> None:
    lease = tools.jobs.begin(queued(tools), Stage.PARSE, lease_seconds=30)
    assert lease is not None
    tools.jobs.requeue(lease, error={"type": "urn:aegis:problem:unavailable"}, delay=120)
    sent(tools)

    assert republish_lost(tools) == 0


def test_what_a_dead_worker_held_is_published_again(tools: Tools) -> None:
    assert tools.jobs.begin(queued(tools), Stage.PARSE, lease_seconds=0)

    assert republish_lost(tools) == 1

    assert messages(lane_of(Stage.PARSE)) == 1


def test_what_a_living_worker_holds_is_left_alone(tools: Tools) -> None:
    assert tools.jobs.begin(queued(tools), Stage.PARSE, lease_seconds=60)

    assert republish_lost(tools) == 0


def test_only_one_worker_sweeps_at_a_time(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "toolbox", tools, raising=False)
    queued(tools)
    with tools.jobs.alone("sweep", seconds=60):
        assert "another" in maintenance.sweep()
    assert messages(lane_of(Stage.PARSE)) == 0

    assert "published again: 1" in maintenance.sweep()


def test_a_worker_that_is_killed_in_a_sweep_is_followed_before_the_next(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "toolbox", tools, raising=False)
    sweeper = get_context("spawn").Process(target=sweep_without_end, args=(tools.settings,))
    sweeper.start()
    until(lambda: "another" in maintenance.sweep())
    queued(tools)

    sweeper.kill()
    sweeper.join()

    (sweep,) = (entry for entry in UPKEEP if entry.task == maintenance.sweep.name)
    assert isinstance(sweep.every, float)
    until(lambda: "published again: 1" in maintenance.sweep(), sweep.every)


def sweep_without_end(settings: Settings) -> None:
    """What a worker does that stays in the middle of its first sweep with nobody beside it."""
    app.toolbox = Tools(settings)
    setattr(maintenance, republish_lost.__name__, lambda _: time.sleep(600))
    while "another" in maintenance.sweep():
        pass


def test_a_question_that_nobody_waits_for_any_more_is_ended_without_a_worker(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "BATCH", 2)
    late = [queued(tools, Stage.GENERATE, deadline=time.time() - 1) for _ in range(5)]
    waiting = queued(tools, Stage.GENERATE, deadline=time.time() + 60)

    assert expired(tools) == 5

    for job_id in late:
        job = tools.jobs.get(job_id)
        assert job is not None
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error["type"] == "urn:aegis:problem:timed-out"
    job = tools.jobs.get(waiting)
    assert job is not None
    assert job.state is JobState.QUEUED


def test_ended_jobs_over_the_bound_are_forgotten(valkey: str, tmp_path: Path) -> None:
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path, max_ended_jobs=2))
    ids = []
    for _ in range(5):
        job = tools.jobs.accept(NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "c", {})).job
        tools.jobs.cancel(job.id)
        ids.append(job.id)

    assert maintenance.forgotten(tools) == 3

    assert [job_id for job_id in ids if tools.jobs.get(job_id)] == ids[3:]
