"""Both flows stage by stage on real stores, a real parser and the real model: versions, fences, repairs."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pytest

from rag import lexical
from rag.model import Candidate, Hit, Job, JobState, Point, SearchQuery, Stage
from rag.settings import Settings
from rag.stores.vectors.edge import EdgeVectorStore
from tasks import stage as stages
from tasks.answer import visible_hits
from tasks.app import app, task_name
from tasks.keeping import work_key
from tasks.submit import Ingestion, Question, Submissions, Text
from workers.embedding.build import build
from workers.tools import Tools

COLLECTION = "handbook"


class InProcess(Tools):
    """The tools of a worker, with the vector engine in this process."""

    @cached_property
    def vectors(self) -> EdgeVectorStore:
        return EdgeVectorStore(self.settings.home / "vectors")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model where set-up puts it, built there if need be."""
    folder = Settings().model_dir
    build(folder, lambda line: None)
    return folder


@pytest.fixture
def tools(
    valkey: str, tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InProcess]:
    monkeypatch.setattr(stages, "publish", lambda job, *, delay=0.0: None)
    built = InProcess(Settings(redis_url=valkey, aegis_home=tmp_path, model_dir=model_dir))
    app.loader.import_default_modules()
    app.toolbox = built
    yield built
    built.vectors.close()
    built.parser.close()


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def submitted(desk: Submissions, text: str, document_id: str = "doc") -> str:
    return desk.ingest(Ingestion(Text(text), COLLECTION, document_id)).job.id


def step(tools: InProcess, job_id: str) -> Job:
    """Let the job's present stage run once."""
    job = tools.jobs.get(job_id)
    assert job is not None
    app.tasks[task_name(job.stage)](job_id)
    job = tools.jobs.get(job_id)
    assert job is not None
    return job


def finished(tools: InProcess, job_id: str) -> Job:
    job = step(tools, job_id)
    while not job.state.final:
        job = step(tools, job_id)
    return job


def seen(tools: InProcess, question: str) -> list[str]:
    """Texts that a search sees, best first."""
    collection = tools.documents.collection(COLLECTION)
    assert collection is not None
    dense = tools.embedder.embed_query(question).dense
    query = SearchQuery(dense, lexical.encode_question(question), limit=10)
    return [hit.passage.text for hit in visible_hits(tools, collection, query)]


def test_a_document_is_seen_only_when_its_last_stage_is_done(tools: InProcess, desk: Submissions) -> None:
    job_id = submitted(desk, "The harbour bell rings twice at noon.")

    assert step(tools, job_id).stage is Stage.EMBED
    assert step(tools, job_id).stage is Stage.INDEX
    assert seen(tools, "When does the bell ring?") == []
    job = step(tools, job_id)

    assert job.state is JobState.SUCCEEDED
    assert job.result == {"document_id": "doc", "version": 1, "chunks": 1, "tokens": 8, "unchanged": False}
    assert seen(tools, "When does the bell ring?") == ["The harbour bell rings twice at noon."]


def test_nothing_is_left_of_the_way_there(tools: InProcess, desk: Submissions) -> None:
    job_id = submitted(desk, "The harbour bell rings twice at noon.")

    finished(tools, job_id)

    assert list(tools.blobs.keys("work")) == []
    assert len(list(tools.blobs.keys("sources"))) == 1
    assert len(list(tools.blobs.keys("texts"))) == 1


def test_a_version_that_is_replaced_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    finished(tools, submitted(desk, "The lamp is green."))

    finished(tools, submitted(desk, "The lamp is violet."))

    assert seen(tools, "lamp") == ["The lamp is violet."]
    assert tools.vectors.count("handbook-1") == 1
    assert len(list(tools.blobs.keys("sources"))) == 1
    assert len(list(tools.blobs.keys("texts"))) == 1


def test_an_older_version_that_comes_late_changes_nothing(tools: InProcess, desk: Submissions) -> None:
    late = submitted(desk, "The lamp is green.")
    step(tools, late)
    step(tools, late)
    finished(tools, submitted(desk, "The lamp is violet."))

    job = step(tools, late)

    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    assert job.result["superseded"]
    assert seen(tools, "lamp") == ["The lamp is violet."]
    assert tools.vectors.count("handbook-1") == 1


def test_a_document_deleted_on_its_way_stays_away(tools: InProcess, desk: Submissions) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    on_its_way = submitted(desk, "The lamp is violet.")
    step(tools, on_its_way)
    step(tools, on_its_way)
    purge = desk.delete_document(COLLECTION, "doc")
    assert seen(tools, "lamp") == []

    finished(tools, on_its_way)
    finished(tools, purge.id)

    assert seen(tools, "lamp") == []
    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("sources")) == []
    assert list(tools.blobs.keys("texts")) == []


def test_a_document_on_its_way_into_a_dropped_collection_fails_and_says_so(
    tools: InProcess, desk: Submissions
) -> None:
    job_id = submitted(desk, "The lamp is green.")
    step(tools, job_id)
    step(tools, job_id)
    desk.drop_collection(COLLECTION)

    job = step(tools, job_id)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "deleted" in job.error["detail"]


@pytest.mark.parametrize("lost", ["chunks", "vectors-00000000"])
@pytest.mark.parametrize("cut", [False, True])
def test_what_was_lost_between_two_stages_is_made_again(
    tools: InProcess, desk: Submissions, lost: str, cut: bool
) -> None:
    job_id = submitted(desk, "The lamp is green.")
    step(tools, job_id)
    job = step(tools, job_id)
    key = work_key(job, lost)
    half = tools.blobs.get(key)[:20]
    tools.blobs.delete(key)
    if cut:
        tools.blobs.put(key, half)

    assert step(tools, job_id).stage is Stage.PARSE
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_an_attempt_that_lost_its_job_removes_nothing_that_its_successor_needs(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submitted(desk, "The lamp is green.")
    step(tools, job_id)
    step(tools, job_id)
    real, lost = tools.vectors.upsert, []

    def written_and_lost(store: str, points: Sequence[Point]) -> None:
        real(store, points)
        tools.jobs.cancel(job_id)
        lost.append(job_id)

    with monkeypatch.context() as patch:
        patch.setattr(tools.vectors, "upsert", written_and_lost)
        patch.setattr(stages.StageRun, "cancelled", lambda run: bool(lost))
        assert step(tools, job_id).state is JobState.CANCELLED

    assert tools.vectors.count("handbook-1") == 1
    assert seen(tools, "lamp") == []
    desk.retry(job_id)
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_the_same_document_again_reaches_no_model(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    monkeypatch.setattr(tools.embedder, "embed_passages", lambda texts: pytest.fail("embedded again"))

    job = finished(tools, submitted(desk, "The lamp is green."))

    assert job.result is not None
    assert job.result["unchanged"]
    assert job.result["version"] == 1
    assert len(list(tools.blobs.keys("sources"))) == 1


def test_other_metadata_makes_another_version(tools: InProcess, desk: Submissions) -> None:
    finished(tools, submitted(desk, "The lamp is green."))

    job_id = desk.ingest(Ingestion(Text("The lamp is green."), COLLECTION, "doc", metadata={"a": 1})).job.id

    assert (finished(tools, job_id).result or {})["version"] == 2


def asked(desk: Submissions, question: str) -> str:
    return desk.ask(Question(question, COLLECTION, top_k=10, top_n=3, where={})).job.id


@pytest.mark.parametrize("stage", [Stage.RERANK, Stage.GENERATE])
def test_a_document_replaced_in_the_middle_of_a_question_is_found_all_the_same(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    finished(tools, submitted(desk, "The lamp of the lighthouse is green."))
    job_id = asked(desk, "Which colour has the lamp of the lighthouse?")
    real, replaced = tools.vectors.candidates, []

    def replace_first(store: str, hits: Sequence[Hit]) -> list[Candidate]:
        job = tools.jobs.get(job_id)
        if not replaced and job is not None and job.stage is stage:
            replaced.append(finished(tools, submitted(desk, "The lamp of the lighthouse is violet.")))
        return real(store, hits)

    monkeypatch.setattr(tools.vectors, "candidates", replace_first)
    result = finished(tools, job_id).result

    assert replaced
    assert result is not None
    colour = "violet" if stage is Stage.RERANK else "green"
    assert [hit["text"] for hit in result["hits"]] == [f"The lamp of the lighthouse is {colour}."]
    assert colour in result["answer"]
    assert len(result["citations"]) == 1
