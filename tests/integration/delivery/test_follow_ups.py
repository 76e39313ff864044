"""A worker goes on with a job at its next stage itself, where nobody waits and it has what that takes."""

from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from rag.model import EventKind, Job, JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.lanes import lane_of
from tasks.publishing.bells import announce
from tasks.stages import follow_up as follow_ups
from tasks.stages.run import Done, Next, Outcome, StageRun, Work
from tasks.stages.stage import deliver
from tests.deliveries import bells_in, job_of, working
from tests.integration.conftest import send_to
from workers.tools import Tools

RERANK, GENERATE = lane_of(Stage.RERANK), lane_of(Stage.GENERATE)


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Records and queues on the same real server; the worker may go on with generating."""
    send_to(monkeypatch, valkey)
    built = Tools(Settings(redis_url=valkey, aegis_home=tmp_path), follow_ups=(Stage.GENERATE,))
    monkeypatch.setattr(app, "toolbox", built, raising=False)
    return built


def accepted(tools: Tools, stage: Stage = Stage.RERANK) -> Job:
    return tools.jobs.accept(NewJob(str(uuid7()), JobKind.QUERY, stage, "c", {})).job


def generate(_run: StageRun) -> Outcome:
    return Done(lambda *_: {"answer": None, "hits": []})


def rerank(_run: StageRun) -> Outcome:
    return Next(Stage.GENERATE)


def delivered(tools: Tools, rerank: Work = rerank, generate: Work = generate) -> str:
    with working(Stage.RERANK, rerank, together=True), working(Stage.GENERATE, generate):
        return deliver(tools, RERANK)


def left_to_its_lane(tools: Tools, job: Job) -> bool:
    """Whether the job waits at its next stage, and its lane was told."""
    record = job_of(tools, job.id)
    return (record.state, record.stage) == (JobState.QUEUED, Stage.GENERATE) and bells_in(GENERATE) == 1


def test_a_job_goes_on_in_the_same_hands_without_a_message(tools: Tools) -> None:
    job = accepted(tools)

    told = delivered(tools)

    assert job_of(tools, job.id).state is JobState.SUCCEEDED
    assert bells_in(GENERATE) == 0
    assert told.startswith("next: generate (")
    assert ", succeeded (" in told


def test_its_stages_are_begun_recorded_and_counted_as_in_their_own_lanes(tools: Tools) -> None:
    job = accepted(tools)

    delivered(tools)

    told = [event.data for event in tools.jobs.events(job.id) if event.kind is EventKind.STATE]
    steps = [(each["state"], each["stage"]) for each in told]
    assert steps == [
        ("queued", "rerank"),
        ("running", "rerank"),
        ("queued", "generate"),
        ("running", "generate"),
        ("succeeded", "generate"),
    ]
    assert job_of(tools, job.id).token == 2, "each attempt has a token of its own"
    ends = tools.jobs.recent_work().ends
    assert {stage: sum(ends[stage].values()) for stage in ends} == {Stage.RERANK: 1, Stage.GENERATE: 1}


def test_what_others_wait_for_is_left_to_its_lane(tools: Tools) -> None:
    announce(accepted(tools, Stage.GENERATE))
    job = accepted(tools)

    delivered(tools)

    assert left_to_its_lane(tools, job)


def test_a_worker_for_whom_others_wait_goes_on_with_them(tools: Tools) -> None:
    job = accepted(tools)

    def rerank_while_another_comes(run: StageRun) -> Outcome:
        announce(accepted(tools, Stage.SEARCH))
        return rerank(run)

    with working(Stage.SEARCH, lambda _: Next(Stage.GENERATE)):
        delivered(tools, rerank_while_another_comes)

    assert job_of(tools, job.id).state is JobState.QUEUED
    assert bells_in(GENERATE) == 1


def test_jobs_that_were_worked_together_go_on_in_their_lane_by_one_bell(tools: Tools) -> None:
    jobs = [accepted(tools) for _ in range(3)]

    delivered(tools)

    assert all(left_to_its_lane(tools, job) for job in jobs)


def test_a_stage_for_which_the_worker_lacks_something_is_left_to_its_lane(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "_follow_ups", frozenset())
    job = accepted(tools)

    delivered(tools)

    assert left_to_its_lane(tools, job)


def test_much_work_is_left_to_its_lane(tools: Tools) -> None:
    job = accepted(tools)

    delivered(tools, lambda _: Next(Stage.GENERATE, size=65))

    assert left_to_its_lane(tools, job)


def test_a_delivery_that_has_lasted_long_goes_on_with_nothing(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_ups, "monotonic", lambda: float("inf"))
    job = accepted(tools)

    delivered(tools)

    assert left_to_its_lane(tools, job)


def test_a_worker_that_ends_goes_on_with_nothing(tools: Tools) -> None:
    job = accepted(tools)

    def rerank_while_asked_to_end(run: StageRun) -> Outcome:
        tools.drain._asked = True
        return rerank(run)

    delivered(tools, rerank_while_asked_to_end)

    assert left_to_its_lane(tools, job)


def test_a_job_that_was_cancelled_in_between_is_not_begun(tools: Tools) -> None:
    job = accepted(tools)

    def rerank_and_cancel(run: StageRun) -> Outcome:
        tools.jobs.cancel(run.job.id)
        return rerank(run)

    def generate_nothing(_run: StageRun) -> Outcome:
        raise AssertionError("a cancelled job was begun")

    delivered(tools, rerank_and_cancel, generate_nothing)

    assert job_of(tools, job.id).state is JobState.CANCELLED


def test_an_attempt_that_fails_is_tried_again_in_its_own_lane(tools: Tools) -> None:
    job = accepted(tools)

    def fail(_run: StageRun) -> Outcome:
        raise RuntimeError("a defect")

    delivered(tools, generate=fail)

    record = job_of(tools, job.id)
    assert (record.state, record.stage, record.attempts) == (JobState.QUEUED, Stage.GENERATE, 1)
