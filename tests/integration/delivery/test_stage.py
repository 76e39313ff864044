"""One delivery of one stage, on real records: what it does to the job, and what it publishes."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

import pytest
from kombu.exceptions import OperationalError
from uuid_utils.compat import uuid7

from rag.errors import NoRoom, Overloaded, TimedOut, Unavailable, UnreadableDocument
from rag.model import JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.lanes import lane_of
from tasks.publishing import bells
from tasks.stages.stage import Done, JobsFailed, Next, Outcome, StageRun, deliver
from tests.deliveries import begin, deliver_batch, job_of, perform, record_bells, working
from workers.tools import Tools

T = TypeVar("T")


@pytest.fixture
def tools(valkey: str, tmp_path: Path) -> Tools:
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path, lease_seconds=2, max_attempts=3))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Stage, float]]:
    """Stages for which a bell was rung, and after how many seconds it is to be heard."""
    return record_bells(monkeypatch)


def accepted(tools: Tools, stage: Stage = Stage.PARSE, deadline: float | None = None) -> str:
    job = NewJob(str(uuid7()), JobKind.INGEST, stage, "c", {}, deadline)
    return tools.jobs.accept(job).job.id


def until(look: Callable[[], T], *, seconds: float = 10) -> T:
    """The first answer of ``look`` that is not empty."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)
    return found


def test_a_stage_that_ends_hands_the_job_to_the_next_lane(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    word = perform(tools, Stage.PARSE, lambda run: Next(Stage.EMBED), job_id)

    job = job_of(tools, job_id)
    assert (job.state, job.stage) == (JobState.QUEUED, Stage.EMBED)
    assert published == [(Stage.EMBED, 0.0)]
    assert word == f"next: embed ({job_id} ingest in c)"


def test_stages_of_one_lane_follow_each_other_without_the_queue(tools: Tools, published: list) -> None:
    job_id = accepted(tools, Stage.SEARCH)

    with (
        working(Stage.SEARCH, lambda run: Next(Stage.RERANK)),
        working(Stage.RERANK, lambda run: Next(Stage.GENERATE)),
    ):
        deliver(tools, lane_of(Stage.RERANK))

    assert published == [(Stage.GENERATE, 0.0)]
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

    assert word == "nothing was due"
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
    delays = [delay for _, delay in published]
    assert len(delays) == 2
    assert 5 <= delays[0] <= 10
    assert 15 <= delays[1] <= 30


def test_a_question_is_tried_again_soon(tools: Tools, published: list) -> None:
    job = NewJob(str(uuid7()), JobKind.QUERY, Stage.GENERATE, "c", {})
    tools.jobs.accept(job)

    def work(run: StageRun) -> Outcome:
        raise Unavailable("the model server is away")

    for _ in range(2):
        perform(tools, Stage.GENERATE, work, job.id)

    delays = [delay for _, delay in published]
    assert 1 <= delays[0] <= 2 <= delays[1] <= 4


def test_a_server_that_says_when_to_return_is_heeded(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        raise Overloaded("too many requests", retry_after=30)

    perform(tools, Stage.PARSE, work, job_id)

    assert published == [(Stage.PARSE, 30)]


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
        assert begin(tools.jobs, job_id, Stage.PARSE, lease_seconds=0)

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
        assert begin(tools.jobs, job_id, Stage.PARSE, lease_seconds=1) is None
        return Next(Stage.EMBED)

    assert perform(tools, Stage.PARSE, work, job_id).startswith("next: embed")


def test_records_that_are_away_for_longer_than_a_lease_cost_no_attempt(
    tools: Tools, published: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        with monkeypatch.context() as patch:
            failing(tools, patch, "extend", times=1000)
            assert not run.lost.wait(2.5), "the lease of two seconds has run out"
        for _ in range(2):  # others look for due work before the lease is renewed, and after
            assert tools.jobs.due([Stage.PARSE], lease_seconds=2) == ()
            assert not run.lost.wait(0.6)
        return Next(Stage.EMBED)

    assert perform(tools, Stage.PARSE, work, job_id).startswith("next: embed")
    assert job_of(tools, job_id).retries == 0


def failing(tools: Tools, monkeypatch: pytest.MonkeyPatch, method: str, *, times: int) -> list[str]:
    """Have ``method`` of the records fail ``times`` before it works; the failures so far."""
    real, failures = getattr(tools.jobs, method), list[str]()

    def call(*args: object, **named: object) -> object:
        if len(failures) < times:
            failures.append(method)
            raise Unavailable("Redis: connection refused")
        return real(*args, **named)

    monkeypatch.setattr(tools.jobs, method, call)
    return failures


@pytest.fixture
def quick(valkey: str, tmp_path: Path) -> Tools:
    """Leases so short that waiting for their end is no loss of time."""
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path, lease_seconds=1.01, max_attempts=3))


@pytest.mark.parametrize("method", ["take", "advance"])
def test_records_that_are_away_for_a_moment_cost_no_attempt(
    tools: Tools, published: list, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    job_id = accepted(tools)
    failures = failing(tools, monkeypatch, method, times=2)
    runs: list[str] = []

    def work(run: StageRun) -> Outcome:
        runs.append(run.job.id)
        return Next(Stage.EMBED)

    assert deliver_batch(tools, Stage.PARSE, work).startswith("next: embed")

    assert len(failures) == 2
    assert len(runs) == 1
    assert (job_of(tools, job_id).stage, job_of(tools, job_id).retries) == (Stage.EMBED, 0)


@pytest.mark.parametrize("method", ["advance", "finish", "requeue"])
def test_what_cannot_be_written_in_time_is_left_to_the_next_attempt(
    quick: Tools, published: list, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    job_id = accepted(quick)
    outcomes: dict[str, Outcome] = {"advance": Next(Stage.EMBED), "finish": Done(lambda *_: {"n": 1})}

    def work(run: StageRun) -> Outcome:
        if method in outcomes:
            return outcomes[method]
        raise Unavailable("the vector engine is away")

    with monkeypatch.context() as patch:
        failing(quick, patch, method, times=1000)
        word = deliver_batch(quick, Stage.PARSE, work)

    assert word.startswith("broken off")
    assert published == []
    (due,) = until(lambda: quick.jobs.due([Stage.PARSE], lease_seconds=1.01))
    assert due.job_id == job_id
    perform(quick, Stage.PARSE, lambda run: Done(lambda *_: {"n": 2}), job_id)
    job = job_of(quick, job_id)
    assert (job.state, job.result, job.attempts) == (JobState.SUCCEEDED, {"n": 2}, 2)


def test_an_end_that_was_written_late_changes_nothing(
    quick: Tools, published: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = accepted(quick)
    real = quick.jobs.finish

    def taken_over_first(*args: object, **named: object) -> bool:
        monkeypatch.setattr(quick.jobs, "finish", real)
        perform(quick, Stage.PARSE, lambda run: Done(lambda *_: {"by": "another"}), job_id)
        return real(*args, **named)

    monkeypatch.setattr(quick.jobs, "finish", taken_over_first)
    word = perform(quick, Stage.PARSE, lambda run: Done(lambda *_: {"by": "the first"}), job_id)

    assert word.startswith("lost")
    assert job_of(quick, job_id).result == {"by": "another"}


@pytest.mark.parametrize("outcome", ["next", "again"])
def test_a_bell_that_cannot_be_sent_is_left_to_the_canary(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = accepted(tools)

    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    def work(run: StageRun) -> Outcome:
        if outcome == "next":
            return Next(Stage.EMBED)
        raise Unavailable("the vector engine is away")

    monkeypatch.setattr(bells, "ring", refuse)

    assert perform(tools, Stage.PARSE, work, job_id).startswith(outcome)

    assert job_of(tools, job_id).state is JobState.QUEUED
    assert "hears later" in caplog.text


def test_attempts_over_all_stages_share_one_budget(valkey: str, tmp_path: Path, published: list) -> None:
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path, max_attempts=3, max_retries_per_job=3))
    job_id = accepted(tools)

    def fail(run: StageRun) -> Outcome:
        raise Unavailable("the blob store is away")

    for stage in (Stage.PARSE, Stage.EMBED):
        perform(tools, stage, fail, job_id)
        perform(tools, stage, fail, job_id)
        following = Stage.EMBED if stage is Stage.PARSE else Stage.INDEX
        perform(tools, stage, lambda run, to=following: Next(to), job_id)

    job = job_of(tools, job_id)
    assert (job.state, job.stage, job.reason) == (JobState.DEAD, Stage.EMBED, "unavailable")
    assert job.error is not None
    assert "the blob store is away" in job.error["detail"]


def test_stages_that_send_each_other_back_for_ever_are_given_up(
    valkey: str, tmp_path: Path, published: list
) -> None:
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path, max_retries_per_job=4))
    job_id = accepted(tools)

    for _ in range(20):
        job = job_of(tools, job_id)
        back = Stage.PARSE if job.stage is Stage.EMBED else Stage.EMBED
        perform(tools, job.stage, lambda run, to=back: Next(to), job_id)

    assert job_of(tools, job_id).state is JobState.DEAD


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("away"), "unavailable"),
        (TimedOut("slow"), "timed-out"),
        (Overloaded("full"), "overloaded"),
        (ZeroDivisionError("ours"), "internal-error"),
    ],
)
def test_a_dead_job_says_of_what_it_died(
    tools: Tools, published: list, error: Exception, reason: str
) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        raise error

    for _ in range(3):
        perform(tools, Stage.PARSE, work, job_id)

    job = job_of(tools, job_id)
    assert (job.state, job.reason) == (JobState.DEAD, reason)
    assert job.error is not None
    assert job.error["type"] == f"urn:aegis:problem:{reason}"


def test_what_a_child_of_this_worker_left_is_taken_over_at_once(tools: Tools, published: list) -> None:
    job_id = accepted(tools)
    for _ in range(3):  # children that died in the middle of it
        assert begin(tools.jobs, job_id, Stage.PARSE, lease_seconds=30, worker=tools.worker)

    word = perform(tools, Stage.PARSE, lambda run: pytest.fail("ran a fourth time"), job_id)

    job = job_of(tools, job_id)
    assert word.startswith("dead: crashed")
    assert (job.state, job.reason) == (JobState.DEAD, "crashed")
    assert job.error is not None
    assert "3 attempts" in job.error["detail"]


def test_a_server_that_asks_for_hours_is_asked_again_sooner(tools: Tools, published: list) -> None:
    job_id = accepted(tools)

    def work(run: StageRun) -> Outcome:
        raise Overloaded("quota used up", retry_after=86400)

    perform(tools, Stage.PARSE, work, job_id)

    assert published == [(Stage.PARSE, 300)]


def test_a_stage_held_for_too_long_loses_its_job(valkey: str, tmp_path: Path, published: list) -> None:
    others = dict.fromkeys(
        ("parse_timeout", "fetch_timeout", "generator_timeout", "interactive_timeout"), 1.1
    )
    longer = {"stage_timeout": 1.2, "visibility_timeout": 1.3, "stale_lease_seconds": 1.4}
    settings = Settings(redis_url=valkey, aegis_home=tmp_path, lease_seconds=1.01, **others, **longer)
    tools = Tools(settings)
    job_id = accepted(tools)

    def hang(run: StageRun) -> Outcome:
        assert run.lost.wait(10), "never learned that it took too long"
        until(lambda: tools.jobs.due([Stage.PARSE], lease_seconds=1.01))
        raise RuntimeError("woke up")

    perform(tools, Stage.PARSE, hang, job_id)

    assert job_of(tools, job_id).state is JobState.QUEUED


def _without_room(_run: StageRun) -> Outcome:
    raise NoRoom("the disk is full", retry_after=0.01)


def test_a_full_disk_costs_no_attempt(tools: Tools, published: list[tuple[Stage, float]]) -> None:
    job_id = accepted(tools)

    for _ in range(tools.settings.max_attempts + 2):
        assert perform(tools, Stage.PARSE, _without_room, job_id).startswith("again: the disk is full")

    job = job_of(tools, job_id)
    assert (job.state, job.attempts, job.retries) == (JobState.QUEUED, 0, 0)
    assert job.error is not None
    assert job.error["type"] == "urn:aegis:problem:no-room"


def test_a_disk_that_stays_full_for_a_day_gives_a_job_up(
    tools: Tools, published: list[tuple[Stage, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.stages.outcomes._ROOM_SECONDS", 0.0)
    job_id = accepted(tools)

    words = [perform(tools, Stage.PARSE, _without_room, job_id) for _ in range(tools.settings.max_attempts)]

    assert words[-1].startswith("dead: no-room")
    assert job_of(tools, job_id).state is JobState.DEAD


def test_a_delivery_in_which_a_job_failed_for_good_fails_and_tells_of_all(
    tools: Tools, published: list[tuple[Stage, float]]
) -> None:
    bad, good = accepted(tools), accepted(tools)

    def work(run: StageRun) -> Outcome:
        if run.job.id == bad:
            raise UnreadableDocument("the file is encrypted")
        return Next(Stage.EMBED)

    with working(Stage.PARSE, work), pytest.raises(JobsFailed) as failed:
        deliver(tools, lane_of(Stage.PARSE))

    assert f"failed: The document cannot be read ({bad} ingest in c)" in str(failed.value)
    assert f"next: embed ({good} ingest in c)" in str(failed.value)
