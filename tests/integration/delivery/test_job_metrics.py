"""The figures of jobs in /metrics, followed along real ingestions and questions."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from api.metrics.jobs import JobCollector
from rag.errors import Unavailable
from rag.model import JobState, Lease, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.submit.submissions import LANE_STAGES, Ingestion, Question, Submissions, Text
from tests.deliveries import begin, end_lease, end_pause, finished, job_of, record_bells, step
from tests.integration.farmodel import InProcess

COLLECTION = "aegis_docs_v2"
LAMP = "The lamp of the lighthouse is violet."


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    record_bells(monkeypatch)
    built = InProcess(Settings(redis_url=valkey, aegis_home=tmp_path))
    app.import_tasks()
    app.toolbox = built
    yield built
    built.vectors.close()


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def figure(tools: InProcess, sample: str, **labels: str) -> float:
    registry = CollectorRegistry()
    registry.register(JobCollector(tools.jobs))
    value = registry.get_sample_value(sample, labels)
    assert value is not None, sample
    return value


def ingest(tools: InProcess, desk: Submissions, text: str = LAMP, name: str = "lamp") -> None:
    job = finished(tools, desk.ingest(Ingestion(Text(text), COLLECTION, name)).job.id)
    assert job.state is JobState.SUCCEEDED, job.error


def ask(tools: InProcess, desk: Submissions, question: str = "Which colour is the lamp?") -> str:
    job_id = desk.ask(Question(question, COLLECTION, 10, 3, {})).job.id
    job = finished(tools, job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    return job_id


def answers(tools: InProcess) -> dict[str, float]:
    outcomes = ("answered", "not_found", "failed", "cached")
    found = {name: figure(tools, "aegis_answers_total", outcome=name) for name in outcomes}
    return {name: count for name, count in found.items() if count}


def test_what_is_ingested_is_counted_once_and_what_has_not_changed_is_not(
    tools: InProcess, desk: Submissions
) -> None:
    ingest(tools, desk)
    ingest(tools, desk)
    ingest(tools, desk, f"{LAMP}\n\n# Bells\n\nThe harbour bell rings twice at noon.", "bell")

    chunks = sum(tools.documents.get(COLLECTION, name).chunks for name in ("lamp", "bell"))
    assert figure(tools, "aegis_documents_ingested_total") == 2
    assert figure(tools, "aegis_passages_ingested_total") == chunks
    assert figure(tools, "aegis_jobs_ended_total", kind="ingest", state="succeeded") == 3
    assert figure(tools, "aegis_job_seconds_count", kind="ingest") == 3
    assert figure(tools, "aegis_stage_attempts_total", lane="parse", stage="parse") == 3
    assert figure(tools, "aegis_stage_run_seconds_count", lane="embed", stage="embed") == 2


def test_an_end_that_is_reported_twice_is_counted_once(tools: InProcess, desk: Submissions) -> None:
    job_id = desk.ingest(Ingestion(Text(LAMP), COLLECTION, "lamp")).job.id
    for _ in (Stage.PARSE, Stage.EMBED):
        step(tools, job_id)
    lease = begin(tools.jobs, job_id, Stage.INDEX)
    assert isinstance(lease, Lease)

    for _ in range(2):
        tally = {"documents": 1, "passages": 4}
        assert tools.jobs.finish(lease, JobState.SUCCEEDED, result={}, tally=tally)

    assert figure(tools, "aegis_passages_ingested_total") == 4


def test_answers_are_counted_by_how_they_ended(tools: InProcess, desk: Submissions) -> None:
    ask(tools, desk)
    assert answers(tools) == {"not_found": 1}
    assert figure(tools, "aegis_time_to_first_token_seconds_count") == 1

    ingest(tools, desk)
    ask(tools, desk)
    ask(tools, desk)
    assert answers(tools) == {"not_found": 1, "answered": 1, "cached": 1}
    assert figure(tools, "aegis_time_to_first_token_seconds_count") == 2, "that of a cached one is not"
    assert 0 < figure(tools, "aegis_time_to_first_token_seconds_sum") < 60

    tools.jobs.finish(
        begin(tools.jobs, desk.ask(Question("Why?", COLLECTION, 10, 3, {})).job.id, Stage.EMBED_QUERY),
        JobState.FAILED,
        error={"type": "urn:aegis:problem:timed-out", "title": "late", "detail": "late"},
    )
    assert answers(tools)["failed"] == 1


def test_a_retry_and_a_lost_worker_are_counted_at_their_stage(tools: InProcess, desk: Submissions) -> None:
    job_id = desk.ingest(Ingestion(Text(LAMP), COLLECTION, "lamp")).job.id
    step(tools, job_id)

    def fail(items: object) -> None:
        raise Unavailable("away")

    tools.far.during = fail
    step(tools, job_id)
    tools.far.during = lambda items: None
    end_pause(tools, job_id)
    assert begin(tools.jobs, job_id, Stage.EMBED, worker="lost") is not None
    end_lease(tools, job_id)
    assert finished(tools, job_id).state is JobState.SUCCEEDED

    where = {"lane": "embed", "stage": "embed"}
    assert figure(tools, "aegis_stage_retries_total", **where, reason="unavailable") == 1
    assert figure(tools, "aegis_stage_recoveries_total", **where) == 1
    assert figure(tools, "aegis_stage_attempts_total", **where) >= 3
    assert job_of(tools, job_id).state is JobState.SUCCEEDED


def test_every_stage_is_there_though_nothing_was_done(tools: InProcess) -> None:
    for lane, stages in LANE_STAGES.items():
        for stage in stages:
            assert figure(tools, "aegis_stage_wait_seconds_count", lane=lane, stage=str(stage)) == 0
