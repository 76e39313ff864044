"""Jobs that one delivery works at the same time, on real records and points: fewer calls, same guarantees."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rag.errors import InvalidRequest, ModelError
from rag.model import JobState, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.lanes import lane_of
from tasks.stages.stage import JobsFailed, deliver
from tasks.submit.submissions import Ingestion, Question, Submissions, Text
from tasks.toolbox import Drained
from tests.deliveries import begin, end_lease, job_of, record_bells
from tests.integration.farmodel import InProcess

COLLECTION = "handbook"


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    record_bells(monkeypatch)
    monkeypatch.setattr("tasks.stages.leases.TURN_SECONDS", -1.0)  # one batch a delivery
    built = InProcess(Settings(redis_url=valkey, aegis_home=tmp_path, lease_seconds=2))
    app.import_tasks()
    app.toolbox = built
    yield built
    built.vectors.close()


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def submitted(tools: InProcess, desk: Submissions, count: int, until: Stage = Stage.EMBED) -> list[str]:
    """Documents of a paragraph each, on their way as far as ``until``."""
    texts = (f"Lamp {n} of the harbour is {'green ' * n}today." for n in range(count))
    ids = [desk.ingest(Ingestion(Text(text), COLLECTION, f"doc-{n}")).job.id for n, text in enumerate(texts)]
    for stage in (Stage.PARSE, Stage.EMBED, Stage.INDEX):
        if stage is until:
            break
        while any(job_of(tools, job_id).stage is stage for job_id in ids):
            delivered(stage)
    tools.far.calls.clear()
    return ids


def delivered(stage: Stage) -> str:
    """What a delivery in the stage's lane came to, without the names of the jobs."""
    try:
        told = deliver(app.toolbox, lane_of(stage))
    except JobsFailed as failed:
        told = str(failed)
    return re.sub(r" \(.*?\)", "", told)


def states(tools: InProcess, ids: Sequence[str]) -> set[tuple[JobState, Stage, int]]:
    return {(job.state, job.stage, job.attempts) for job in (job_of(tools, job_id) for job_id in ids)}


def points(tools: InProcess) -> int:
    return tools.vectors.count(f"{COLLECTION}-1")


def test_sixteen_small_documents_make_one_call_to_the_model(tools: InProcess, desk: Submissions) -> None:
    ids = submitted(tools, desk, 16)

    word = delivered(Stage.EMBED)

    assert tools.far.calls == [16]
    assert word == "16 × next: index"
    assert states(tools, ids) == {(JobState.QUEUED, Stage.INDEX, 0)}


def test_their_points_are_written_in_one_call_and_each_is_published(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(tools, desk, 5, until=Stage.INDEX)
    sizes: list[int] = []
    real = tools.vectors.upsert
    monkeypatch.setattr(
        tools.vectors, "upsert", lambda name, new: (sizes.append(len(new)), real(name, new))[1]
    )

    assert delivered(Stage.INDEX) == "5 × succeeded"

    assert sizes == [5]
    assert points(tools) == 5
    assert {
        document.document_id for document in tools.documents.page(COLLECTION, cursor=None, limit=9).items
    } == {f"doc-{n}" for n in range(5)}


def test_a_model_that_looks_at_a_call_as_a_whole_gets_one_document_a_call(
    tools: InProcess, desk: Submissions
) -> None:
    tools.far.independent = False
    submitted(tools, desk, 3)

    delivered(Stage.EMBED)

    assert tools.far.calls == [1, 1, 1]


def test_a_text_that_the_model_refuses_fails_its_own_job_alone(tools: InProcess, desk: Submissions) -> None:
    ids = submitted(tools, desk, 4)

    def refuse(items: Sequence[object]) -> None:
        if any("Lamp 2" in str(item) for item in items):
            raise InvalidRequest("the model refuses this text")

    tools.far.during = refuse
    delivered(Stage.EMBED)

    failed = job_of(tools, ids.pop(2))
    assert (failed.state, failed.error and failed.error["detail"]) == (
        JobState.FAILED,
        "the model refuses this text",
    )
    assert states(tools, ids) == {(JobState.QUEUED, Stage.INDEX, 0)}


def test_one_cancelled_in_the_middle_leaves_no_points_and_stops_no_other(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = submitted(tools, desk, 4, until=Stage.INDEX)
    real = tools.vectors.upsert

    def cancelling(name: str, new: Sequence[object]) -> None:
        desk.cancel(ids[1])
        real(name, new)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(tools.vectors, "upsert", cancelling)
        delivered(Stage.INDEX)

    assert job_of(tools, ids.pop(1)).state is JobState.CANCELLED
    assert {job_of(tools, job_id).state for job_id in ids} == {JobState.SUCCEEDED}
    assert points(tools) == 3


def test_one_taken_over_in_the_middle_is_left_to_whoever_has_it(tools: InProcess, desk: Submissions) -> None:
    ids = submitted(tools, desk, 3)

    def take_over(items: Sequence[object]) -> None:
        tools.far.during = lambda items: None
        end_lease(tools, ids[2])
        assert begin(tools.jobs, ids[2], Stage.EMBED, worker="another")

    tools.far.during = take_over
    word = delivered(Stage.EMBED)

    assert word == "2 × next: index, lost: the job was cancelled or taken over"
    assert states(tools, ids[2:]) == {(JobState.RUNNING, Stage.EMBED, 2)}


def test_a_worker_that_ends_gives_all_back_and_no_attempt_is_counted(
    tools: InProcess, desk: Submissions
) -> None:
    ids = submitted(tools, desk, 4)

    def end(items: Sequence[object]) -> None:
        raise Drained

    tools.far.during = end
    assert delivered(Stage.EMBED) == "4 × released: the worker ends"

    assert states(tools, ids) == {(JobState.QUEUED, Stage.EMBED, 0)}
    tools.far.during = lambda items: None
    tools.far.calls.clear()
    delivered(Stage.EMBED)
    assert tools.far.calls == [4]


def test_a_worker_that_dies_in_the_middle_costs_each_one_attempt_and_they_go_on_alone(
    tools: InProcess, desk: Submissions
) -> None:
    class Killed(BaseException):
        """As far as the record knows, the process is gone."""

    ids = submitted(tools, desk, 3)

    def die(items: Sequence[object]) -> None:
        raise Killed

    tools.far.during = die
    with pytest.raises(Killed):
        delivered(Stage.EMBED)
    tools.far.during = lambda items: None
    tools.far.calls.clear()

    for _ in ids:  # at once, without waiting for a lease to end
        assert delivered(Stage.EMBED) == "next: index"

    assert tools.far.calls == [1, 1, 1]
    assert [job_of(tools, job_id).retries for job_id in ids] == [1, 1, 1]


def test_a_part_that_answers_nobody_for_long_costs_no_companion_an_attempt(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = submitted(tools, desk, 3)

    def fail(items: Sequence[object]) -> None:
        raise ModelError("after a long while")

    monkeypatch.setattr("tasks.stages.batch.PATIENCE_SECONDS", -1.0)
    tools.far.during = fail
    assert delivered(Stage.EMBED) == "3 × released: to be worked alone"
    assert states(tools, ids) == {(JobState.QUEUED, Stage.EMBED, 0)}

    tools.far.during = lambda items: None
    tools.far.calls.clear()
    delivered(Stage.EMBED)
    assert tools.far.calls == [1]


def test_leases_of_all_are_kept_while_they_are_worked(tools: InProcess, desk: Submissions) -> None:
    submitted(tools, desk, 3)
    tools.far.latency = 2.5  # over the lease of two seconds

    assert delivered(Stage.EMBED) == "3 × next: index"


def test_many_questions_at_once_need_few_calls_to_a_far_model_and_wait_little(
    tools: InProcess, desk: Submissions
) -> None:
    submitted(tools, desk, 2, until=Stage.INDEX)
    delivered(Stage.INDEX)
    tools.far.calls.clear()
    tools.far.latency = 0.1
    questions = (
        Question(f"Which is lamp {n}?", COLLECTION, top_k=10, top_n=3, where={}, generate=False)
        for n in range(32)
    )
    ids = [desk.ask(question).job.id for question in questions]
    begun = time.monotonic()

    for stage in (Stage.EMBED_QUERY, Stage.SEARCH):
        while delivered(stage) != "nothing was due":
            pass

    assert {job_of(tools, job_id).state for job_id in ids} == {JobState.SUCCEEDED}
    assert tools.far.calls == [16, 16, 16, 16]
    assert time.monotonic() - begun < 32 * 0.1, "each for itself would take 6.4 s for the model alone"
    result = job_of(tools, ids[0]).result
    assert result is not None
    assert result["timings_ms"]["embed"] < 50, "a sixteenth of the call, and its own work"


def test_a_batch_of_one_is_what_the_setting_makes_of_it(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(tools, desk, 3)
    monkeypatch.setattr(tools, "_settings", tools.settings.model_copy(update={"batch_jobs": 1}))

    delivered(Stage.EMBED)

    assert tools.far.calls == [1]


def test_company_is_waited_for_only_where_there_is_some(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "_settings", tools.settings.model_copy(update={"batch_wait_ms": 30.0}))
    pauses: list[float] = []
    monkeypatch.setattr("tasks.stages.leases.sleep", pauses.append)
    submitted(tools, desk, 1)

    delivered(Stage.EMBED)
    assert pauses == []
    submitted(tools, desk, 2)
    delivered(Stage.EMBED)

    assert pauses == [0.03]
