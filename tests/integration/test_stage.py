"""One delivery of one stage, on real records: what it does to the job, and what it publishes."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest
from uuid_utils.compat import uuid7

from rag.errors import Overloaded, Unavailable, UnreadableDocument
from rag.model import Job, JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks import stage as stages
from tasks.app import app, task_name
from tasks.stage import Done, Next, Outcome, StageRun, perform
from workers.tools import Tools


@pytest.fixture
def tools(valkey: str, tmp_path: Path) -> Tools:
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path, lease_seconds=2, max_attempts=3))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Stage, int, float]]]:
    sent: list[tuple[Stage, int, float]] = []

    def record(job: Job, *, delay: float = 0.0) -> None:
        sent.append((job.stage, job.attempts, delay))

    monkeypatch.setattr(stages, "publish", record)
    return sent


def accepted(tools: Tools, stage: Stage = Stage.PARSE, deadline: float | None = None) -> str:
    job = NewJob(str(uuid7()), JobKind.INGEST, stage, "c", {}, deadline)
    return tools.jobs.accept(job).job.id


def job_of(tools: Tools, job_id: str) -> Job:
    job = tools.jobs.get(job_id)
    assert job is not None
    return job


def test_a_stage_that_ends_hands_the_job_to_the_next_lane(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    word = perform(tools, Stage.PARSE, lambda run: Next(Stage.EMBED), job_id)

    job = job_of(tools, job_id)
    assert (job.state, job.stage) == (JobState.QUEUED, Stage.EMBED)
    assert published == [(Stage.EMBED, 0, 0.0)]
    assert word == "next: embed"


def test_stages_of_one_lane_follow_each_other_without_the_queue(
    tools: Tools, published: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = accepted(tools, Stage.SEARCH)
    monkeypatch.setitem(
        app.tasks,
        task_name(Stage.RERANK),
        SimpleNamespace(run=lambda job: perform(tools, Stage.RERANK, lambda run: Next(Stage.GENERATE), job)),
    )

    perform(tools, Stage.SEARCH, lambda run: Next(Stage.RERANK), job_id)

    assert published == [(Stage.GENERATE, 0, 0.0)]
    assert set(job_of(tools, job_id).timings) == {"queue", "search", "rerank"}


def test_the_last_stage_ends_the_job_with_its_result(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    perform(tools, Stage.PARSE, lambda run: Done(lambda job, seconds: {"id": job.id}), job_id)

    assert job_of(tools, job_id).state is JobState.SUCCEEDED
    assert job_of(tools, job_id).result == {"id": job_id}
    assert published == []


def test_a_second_delivery_of_a_finished_stage_does_nothing(tools: Tools, published: list) -> None:
    job_id = accepted(tools)
    perform(tools, Stage.PARSE, lambda run: Next(Stage.EMBED), job_id)

    word = perform(tools, Stage.PARSE, lambda run: pytest.fail("ran twice"), job_id)

    assert word.startswith("dropped")
    assert len(published) == 1


def test_a_bad_document_fails_at_once_with_its_reason(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        raise UnreadableDocument("the file is encrypted")

    perform(tools, Stage.PARSE, work, job_id)

    job = job_of(tools, job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["detail"] == "the file is encrypted"
    assert job.error["type"] == "urn:aegis:problem:unreadable-document"
    assert job.error["stage"] == "parse"
    assert published == []


def test_a_part_that_is_away_is_tried_again_later_each_time_and_then_given_up(
    tools: Tools, published: list
) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        raise Unavailable("the vector engine is away")

    for _ in range(3):
        perform(tools, Stage.PARSE, work, job_id)

    job = job_of(tools, job_id)
    assert job.state is JobState.DEAD
    assert job.error is not None
    assert "3 attempts" in job.error["detail"]
    assert "the vector engine is away" in job.error["detail"]
    delays = [delay for _, _, delay in published]
    assert len(delays) == 2
    assert 0 < delays[0] <= 2 <= delays[1] <= 4


def test_a_server_that_says_when_to_return_is_heeded(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        raise Overloaded("too many requests", retry_after=30)

    perform(tools, Stage.PARSE, work, job_id)

    assert published == [(Stage.PARSE, 1, 30)]


def test_an_unexpected_error_is_tried_again_and_tells_no_internals(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        raise RuntimeError("secret path /etc/aegis")

    for _ in range(3):
        perform(tools, Stage.PARSE, work, job_id)

    job = job_of(tools, job_id)
    assert job.state is JobState.DEAD
    assert "RuntimeError" in str(job.error)
    assert "secret" not in str(job.error)


def test_a_job_whose_worker_keeps_dying_is_given_up_without_running_again(
    tools: Tools, published: list
) -> None:
    job_id = accepted(tools)
    for _ in range(3):  # begun by workers that never came back
        lease = tools.jobs.begin(job_id, Stage.PARSE, lease_seconds=0.001)
        assert lease is not None
        Event().wait(0.01)

    word = perform(tools, Stage.PARSE, lambda run: pytest.fail("ran a fourth time"), job_id)

    assert word.startswith("dead")
    assert job_of(tools, job_id).state is JobState.DEAD


def test_a_passed_deadline_ends_the_job_before_the_stage_begins(tools: Tools, published: list) -> None:
    job_id = accepted(tools, deadline=1.0)

    perform(tools, Stage.PARSE, lambda run: pytest.fail("ran"), job_id)

    job = job_of(tools, job_id)
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "deadline" in job.error["detail"]


def test_a_job_cancelled_while_it_runs_stays_cancelled(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        tools.jobs.cancel(job_id)
        return Next(Stage.EMBED)

    word = perform(tools, Stage.PARSE, work, job_id)

    assert word.startswith("lost")
    assert job_of(tools, job_id).state is JobState.CANCELLED
    assert published == []


def test_a_running_generation_learns_of_its_cancellation_within_a_second(
    tools: Tools, published: list
) -> None:
    job_id = accepted(tools, Stage.GENERATE)
    begun = Event()

    def work(run: StageRun) -> Outcome:
        begun.set()
        assert run.lost.wait(5), "never learned of it"
        return Done(lambda *_: {})

    worker = Thread(target=perform, args=(tools, Stage.GENERATE, work, job_id))
    worker.start()
    assert begun.wait(5)
    tools.jobs.cancel(job_id)
    worker.join(1.0)

    assert not worker.is_alive()
    assert job_of(tools, job_id).state is JobState.CANCELLED


def test_a_long_stage_keeps_its_lease(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        assert not run.lost.wait(2.5), "the lease of two seconds ran out"
        assert tools.jobs.begin(job_id, Stage.PARSE, lease_seconds=1) is None
        return Next(Stage.EMBED)

    assert perform(tools, Stage.PARSE, work, job_id) == "next: embed"
