"""Which reason a job gets where several hold, and how errors name what is away."""

from dataclasses import replace

import pytest

from rag.model import (
    Histogram,
    Job,
    JobKind,
    JobState,
    JobStatistics,
    RecentWork,
    Stage,
    StageFigures,
    StageStatistics,
    Standing,
    Wait,
    WaitReason,
)
from rag.model.statistics import STAGE_LIMITS
from rag.redis.heartbeats import VECTORS, Signs, WorkerSign
from rag.waits.conditions import SHORTEST_USUAL, USUAL_TIMES, Conditions
from rag.waits.diagnosis import wait_of

NOW = 1000.0
LANES = {
    "parse": (Stage.PARSE,),
    "embed": (Stage.EMBED, Stage.REEMBED),
    "index": (Stage.INDEX,),
    "search": (Stage.SEARCH,),
}
WORKER = WorkerSign("parse", "parse@here", 7, 0.0, 1.0, "t", limit=60.0, silence=30.0, holder="mine")
EVERYWHERE = tuple(replace(WORKER, lane=lane) for lane in LANES)
JOB = Job("1", JobKind.INGEST, JobState.QUEUED, Stage.PARSE, "c", {}, 900.0, 900.0, queue_position=3)


def histogram(seconds: float = 0.0, count: int = 0) -> Histogram:
    bucket = next(i for i, limit in enumerate(STAGE_LIMITS) if seconds <= limit)
    counts = tuple(count if i == bucket else 0 for i in range(len(STAGE_LIMITS) + 1))
    return Histogram(STAGE_LIMITS, counts, seconds * count)


def conditions(
    workers: tuple[WorkerSign, ...] = EVERYWHERE,
    *,
    waits: Histogram = histogram(),  # noqa: B008 - frozen
    runs: Histogram = histogram(),  # noqa: B008
    waited: float = 0.0,
    running: int = 0,
    ends: dict[float, int] | None = None,
) -> Conditions:
    signs = Signs(components={VECTORS: {}}, workers=workers, beats=({"host": "h", "pid": 1, "age": 0.1},))
    of_stage = StageStatistics(waits, runs, {}, 0)
    return Conditions(
        lanes=LANES,
        signs=signs,
        work=RecentWork(NOW, NOW - 300, {stage: ends or {} for stage in Stage}),
        stages={stage: StageFigures(0, 0, running, waited) for stage in Stage},
        statistics=JobStatistics(dict.fromkeys(Stage, of_stage), {}, {}),
    )


def failing(code: str, detail: str, stage: Stage = Stage.PARSE, ready_at: float = NOW + 9) -> Job:
    error = {"type": f"urn:aegis:problem:{code}", "title": "t", "detail": detail}
    return replace(JOB, stage=stage, error=error, standing=Standing(ready_at=ready_at, failing_since=950.0))


def found(job: Job, known: Conditions | None = None) -> Wait:
    wait = wait_of(job, known or conditions())
    assert wait is not None
    return wait


@pytest.mark.parametrize("state", [state for state in JobState if state.final])
def test_a_job_that_is_over_waits_for_nothing(state: JobState) -> None:
    assert wait_of(replace(JOB, state=state), conditions(())) is None


@pytest.mark.parametrize(
    ("code", "detail", "stage", "reason"),
    [
        ("unavailable", "Redis: Connection refused", Stage.INDEX, WaitReason.BROKER),
        (
            "unavailable",
            "Redis has lost its records; they are being rebuilt",
            Stage.INDEX,
            WaitReason.RECORDS,
        ),
        ("unavailable", "Qdrant at http://q: refused", Stage.EMBED, WaitReason.VECTOR_ENGINE),
        ("unavailable", "the vector engine is away", Stage.EMBED, WaitReason.VECTOR_ENGINE),
        ("timed-out", "http://jina: no answer", Stage.EMBED, WaitReason.MODEL_SERVER),
        ("timed-out", "http://q: no answer", Stage.SEARCH, WaitReason.VECTOR_ENGINE),
        ("unavailable", "Blob store s3://b: refused", Stage.EMBED, WaitReason.BLOB_STORE),
        ("overloaded", "http://jina limits our calls", Stage.EMBED, WaitReason.RATE_LIMIT),
        ("no-room", "the disk is full", Stage.PARSE, WaitReason.DISK),
        ("timed-out", "The stage took too long", Stage.EMBED, WaitReason.RETRY),
        ("internal-error", "Unexpected KeyError", Stage.EMBED, WaitReason.RETRY),
        ("out-of-memory", "The stage wanted more", Stage.EMBED, WaitReason.RETRY),
    ],
)
def test_an_error_names_what_is_away(code: str, detail: str, stage: Stage, reason: WaitReason) -> None:
    wait = found(failing(code, detail, stage))

    assert (wait.reason, wait.error, wait.since, wait.until) == (reason, detail, 950.0, NOW + 9)


def test_a_job_that_fails_and_is_due_again_has_a_place_too() -> None:
    wait = found(failing("unavailable", "x", ready_at=960.0), conditions(runs=histogram(2.0, 5)))

    assert (wait.reason, wait.place, wait.until) == (WaitReason.BLOB_STORE, 3, None)
    assert wait.starts_at == NOW + 2.5 * 2.0


def test_without_a_worker_neither_an_error_nor_a_pause_is_the_reason() -> None:
    paused = replace(JOB, standing=Standing(ready_at=NOW + 5, waits_for="another"))

    assert found(paused).reason is WaitReason.OTHER_JOB
    for job in (paused, failing("unavailable", "x"), JOB):
        assert found(job, conditions(())).reason is WaitReason.NO_WORKER


def test_one_worker_that_lives_is_enough() -> None:
    hung = replace(WORKER, busy=300.0)

    assert found(JOB, conditions((hung,))).reason is WaitReason.WORKER_HUNG
    assert found(JOB, conditions((hung, WORKER))).reason is WaitReason.QUEUE


@pytest.mark.parametrize(
    ("renewed_ago", "worker", "gone"),
    [
        (5.0, "mine", False),
        (5.0, "another", False),  # without a heartbeat, but it renews
        (25.0, "mine", False),  # late, but its heartbeat is there
        (25.0, "another", True),
        (31.0, "mine", True),  # its lease is over
    ],
)
def test_a_running_job_waits_once_its_worker_is_lost(renewed_ago: float, worker: str, gone: bool) -> None:
    standing = Standing(worker=worker, renewed_at=NOW - renewed_ago, lease=30.0)
    wait = wait_of(replace(JOB, state=JobState.RUNNING, standing=standing), conditions())

    assert (wait is not None and wait.reason is WaitReason.WORKER_GONE) is gone


@pytest.mark.parametrize(
    ("known", "starts_at"),
    [
        (conditions(), None),
        (conditions(runs=histogram(2.0, 100)), NOW + 5.0),
        (conditions(runs=histogram(2.0, 100), running=5), NOW + 1.0),
        (conditions(runs=histogram(2.0, 100), waited=100.0, ends={900.0: 10, 980.0: 10}), NOW + 2.5 / 0.2),
    ],
)
def test_the_begin_is_estimated_by_the_pace_or_else_by_how_long_jobs_run(
    known: Conditions, starts_at: float | None
) -> None:
    assert found(JOB, known).starts_at == (starts_at and pytest.approx(starts_at))


@pytest.mark.parametrize(
    ("waits", "usual"),
    [
        (histogram(), SHORTEST_USUAL),
        (histogram(0.1, 100), SHORTEST_USUAL),
        (histogram(60.0, 100), USUAL_TIMES * 60.0),
        (histogram(7200.0, 100), USUAL_TIMES * 7200.0),
    ],
)
def test_usual_is_some_times_what_most_waits_were(waits: Histogram, usual: float) -> None:
    assert conditions(waits=waits).usual_wait(Stage.PARSE) == usual
