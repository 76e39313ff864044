"""Bells on a real broker: few are sent for many jobs, and a lost one loses no job."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError
from uuid_utils.compat import uuid7

from rag.errors import Unavailable
from rag.model import DueStage, Job, JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.app import app, sending
from tasks.lanes import lane_of
from tasks.publishing.bells import CANARY_SECONDS, announce, bells, canary, ring_for
from tasks.stages import leases as lease
from tasks.stages.run import Work
from tasks.stages.stage import Done, JobsFailed, Next, Outcome, StageRun, deliver
from tests.deliveries import begin, bells_in, deliver_batch, end_pause, job_of, working
from tests.integration.conftest import send_to
from tests.integration.workerprocess import working as worker_for
from tests.system.running import until
from workers.tools import Tools

PARSE = lane_of(Stage.PARSE)


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Records and queues on the same real server; each delivery works one batch."""
    send_to(monkeypatch, valkey)
    monkeypatch.setattr(lease, "TURN_SECONDS", -1.0)
    built = Tools(Settings(redis_url=valkey, aegis_home=tmp_path))
    monkeypatch.setattr(app, "toolbox", built, raising=False)
    return built


def accepted(tools: Tools, stage: Stage = Stage.PARSE) -> Job:
    return tools.jobs.accept(NewJob(str(uuid7()), JobKind.INGEST, stage, "c", {})).job


def end(_run: StageRun) -> Outcome:
    return Done(lambda *_: {})


def heard(stage: Stage) -> str | None:
    """The id of the task of the next bell for the stage's lane, off the queue."""
    with app.connection_for_read() as connection:
        channel = connection.channel()
        channel.queue_declare(lane_of(stage).name)
        message = channel.basic_get(lane_of(stage).name, no_ack=True)
    return None if message is None else str(message.headers["id"])


def work_off(tools: Tools, stage: Stage, work: Work) -> int:
    """Answer the bells of the stage's lane until none is left; how many deliveries that took."""
    count = 0
    with working(stage, work, together=True):
        while heard(stage):
            deliver(tools, lane_of(stage))
            count += 1
    return count


def states(tools: Tools, *jobs: Job) -> set[JobState]:
    return {job_of(tools, job.id).state for job in jobs}


def test_one_bell_is_sent_for_many_jobs(tools: Tools) -> None:
    for stage in (Stage.PARSE, Stage.GENERATE):
        for _ in range(20):
            announce(accepted(tools, stage))

    assert bells_in(PARSE) == bells_in(lane_of(Stage.GENERATE)) == 1


def test_its_task_tells_which_job_rang_it_and_where_and_is_unlike_any_other(tools: Tools) -> None:
    job = accepted(tools)
    seen = set()
    for _ in range(3):
        announce(job)
        seen.add(heard(Stage.PARSE))

    assert len(seen) == 3
    assert all(task is not None and task.startswith(f"{job.id}.parse.") for task in seen)


@pytest.mark.parametrize("stage", [Stage.PARSE, Stage.GENERATE])
def test_few_bells_are_enough_for_all(tools: Tools, stage: Stage) -> None:
    jobs = [accepted(tools, stage) for _ in range(50)]
    announce(jobs[0])

    deliveries = work_off(tools, stage, end)

    assert states(tools, *jobs) == {JobState.SUCCEEDED}
    assert deliveries <= (50 / 16 + 2 if lane_of(stage).batches else 50)


def test_a_worker_that_leaves_jobs_behind_rings_before_it_works(tools: Tools) -> None:
    for _ in range(20):
        accepted(tools)
    rung: list[int] = []

    def work(run: StageRun) -> Outcome:
        rung.append(bells_in(PARSE))
        return end(run)

    deliver_batch(tools, Stage.PARSE, work)

    assert set(rung) == {1}


def test_a_worker_that_ends_rings_and_begins_nothing(tools: Tools) -> None:
    job = accepted(tools)
    tools.drain.ask()

    assert deliver_batch(tools, Stage.PARSE, end) == "nothing was due"

    assert bells_in(PARSE) == 1
    assert states(tools, job) == {JobState.QUEUED}


def test_one_bell_brings_large_jobs_too_each_by_itself(tools: Tools) -> None:
    jobs = [accepted(tools) for _ in range(6)]
    sizes = iter(range(0, 240, 40))
    deliver_batch(tools, Stage.PARSE, lambda run: Next(Stage.EMBED, size=next(sizes)))
    begun: list[str] = []

    def work(run: StageRun) -> Outcome:
        begun.append(run.job.id)
        return end(run)

    work_off(tools, Stage.EMBED, work)

    assert sorted(begun) == sorted(job.id for job in jobs)


def test_a_stage_at_which_another_worker_was_faster_is_asked_about_again_in_the_same_delivery(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_away, ours = accepted(tools, Stage.RERANK), accepted(tools, Stage.SEARCH)
    monkeypatch.setattr(lease, "TURN_SECONDS", 60.0)
    find_due = lease._find_due

    def find_due_too_late(tools: Tools, stages: Sequence[Stage]) -> Sequence[DueStage]:
        found = find_due(tools, stages)
        begin(tools.jobs, taken_away.id, Stage.RERANK)
        return sorted(found, key=lambda due: due.stage)

    monkeypatch.setattr(lease, "_find_due", find_due_too_late)
    with working(Stage.SEARCH, lambda _: Next(Stage.RERANK)), working(Stage.RERANK, end):
        deliver(tools, lane_of(Stage.SEARCH))

    assert states(tools, ours) == {JobState.SUCCEEDED}


@pytest.fixture
def all_lost(tools: Tools) -> list[Job]:
    """Jobs of whose lane's bells none is left."""
    jobs = [accepted(tools) for _ in range(5)]
    announce(jobs[0])
    while heard(Stage.PARSE):
        pass
    return jobs


def test_a_canary_rings_where_jobs_are_due_and_no_bell_lies(tools: Tools, all_lost: list[Job]) -> None:
    canary(PARSE.name)
    assert bells_in(PARSE) == 1
    canary(PARSE.name)
    assert bells_in(PARSE) == 1, "which is enough"

    work_off(tools, Stage.PARSE, end)

    assert states(tools, *all_lost) == {JobState.SUCCEEDED}


def test_a_canary_rings_in_no_other_lane(tools: Tools, all_lost: list[Job]) -> None:
    canary("embed")

    assert bells_in(PARSE) == bells_in(lane_of(Stage.EMBED)) == 0


def test_a_new_job_brings_those_along_whose_bells_were_lost(tools: Tools, all_lost: list[Job]) -> None:
    late = accepted(tools)
    announce(late)

    work_off(tools, Stage.PARSE, end)

    assert states(tools, *all_lost, late) == {JobState.SUCCEEDED}


def test_a_canary_rings_for_what_a_dead_worker_held_and_for_a_pause_that_is_over(tools: Tools) -> None:
    held, paused = accepted(tools), accepted(tools, Stage.EMBED)
    assert begin(tools.jobs, held.id, lease_seconds=0)
    lease = begin(tools.jobs, paused.id, Stage.EMBED)
    assert lease is not None
    tools.jobs.requeue(lease, error={"type": "urn:aegis:problem:unavailable"}, delay=0.1)

    canary(PARSE.name)
    until(lambda: canary("embed") or bells_in(lane_of(Stage.EMBED)))

    assert bells_in(PARSE) == 1


def test_a_canary_leaves_alone_what_a_living_worker_holds(tools: Tools) -> None:
    assert begin(tools.jobs, accepted(tools).id, lease_seconds=60)

    canary(PARSE.name)

    assert bells_in(PARSE) == 0


def test_a_canary_whose_records_are_away_goes_on_later(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable("Redis: connection refused")

    monkeypatch.setattr(tools.jobs, "due", fail)
    caplog.set_level(logging.INFO)

    canary(PARSE.name)

    assert "within seconds" in caplog.text


def test_a_short_pause_has_a_bell_of_its_own_and_a_long_one_is_left_to_a_canary(tools: Tools) -> None:
    ring_for(accepted(tools), delay=CANARY_SECONDS)
    assert heard(Stage.PARSE) is None
    ring_for(accepted(tools), delay=CANARY_SECONDS - 1)
    assert bells_in(PARSE) == 0, "it does not keep others from ringing"

    assert heard(Stage.PARSE)


def test_work_whose_bells_were_lost_is_found_within_a_canarys_turn(
    tools: Tools, valkey: str, tmp_path: Path
) -> None:
    """In a real worker, which was idle; nobody sends anything."""
    with worker_for("parse", valkey, tmp_path) as worker:
        until(lambda: worker.sign is not None, 60)
        job = accepted(tools)

        until(lambda: job_of(tools, job.id).attempts > 0, CANARY_SECONDS + 3)


def test_a_job_that_fails_for_good_shows_in_its_delivery(tools: Tools) -> None:
    job = accepted(tools)

    def fail(run: StageRun) -> Outcome:
        raise RuntimeError("a defect")

    with working(Stage.PARSE, fail):
        for _ in range(tools.settings.max_attempts - 1):
            assert "again: unexpected RuntimeError" in deliver(tools, PARSE)
            end_pause(tools, job.id)
        with pytest.raises(JobsFailed, match=f"dead: internal-error \\({job.id}"):
            deliver(tools, PARSE)


def test_a_channel_that_was_closed_counts_as_a_broker_that_is_away(tools: Tools) -> None:
    with app.connection_for_write() as connection:
        channel = connection.channel()
        channel.close()
        channel._disconnect_pools()
        del channel.client  # it is made when first asked for

        with pytest.raises(OperationalError, match="closed"), sending():
            bells(channel, PARSE)


def test_other_faults_while_sending_stay_what_they_are() -> None:
    with pytest.raises(AttributeError), sending():
        object().client  # type: ignore[attr-defined]  # noqa: B018 - it is the fault
