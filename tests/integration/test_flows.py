"""Both flows stage by stage on real stores, a real parser and the real model: versions, fences, repairs."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from time import time

import pytest
import redis

from rag import lexical
from rag.errors import Conflict, NotFound, Overloaded
from rag.model import Candidate, Document, Hit, Job, JobKind, JobState, Lease, Point, SearchQuery, Stage
from rag.parsing.nursery import Nursery
from rag.settings import Settings
from rag.stores.entries import opening_of
from rag.stores.redis import PREFIX, connect
from rag.stores.vectors.edge import EdgeVectorStore
from tasks import messages, records, sweeping
from tasks.answer import visible_hits
from tasks.app import app, task_name
from tasks.embedders import embedder_for
from tasks.keeping import work_key
from tasks.remains import forget
from tasks.submit import Ingestion, Question, Submissions, Text
from tasks.sweeping import cleared, purges_made_up
from workers import embedding
from workers.embedding.build import build
from workers.embedding.bundled import BundledEmbedder
from workers.tools import Tools

COLLECTION = "handbook"


class InProcess(Tools):
    """The tools of a worker, with the vector engine in this process."""

    @cached_property
    def vectors(self) -> EdgeVectorStore:
        return EdgeVectorStore(self.settings.home / "vectors")


@pytest.fixture(scope="module")
def model() -> BundledEmbedder:
    """The bundled model, built where set-up puts it if need be."""
    folder = Settings().model_dir
    build(folder, lambda line: None)
    return BundledEmbedder(folder)


@pytest.fixture
def tools(
    valkey: str, tmp_path: Path, model: BundledEmbedder, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InProcess]:
    monkeypatch.setattr(embedding, "chosen", lambda *_: model)
    monkeypatch.setattr(InProcess, "parser", nursery)
    monkeypatch.setattr(messages, "publish", lambda job, *, delay=0.0: None)
    monkeypatch.setattr(messages, "announce", lambda job: None)
    built = InProcess(Settings(redis_url=valkey, aegis_home=tmp_path))
    app.loader.import_default_modules()
    app.toolbox = built
    yield built
    built.vectors.close()


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
    dense = embedder_for(tools, collection).embed_queries([question])[0].dense
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


def deleted_by_an_api_that_dies(tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tools.jobs, "accept", dying)
        with pytest.raises(SystemExit):
            desk.delete_document(COLLECTION, "doc")


def dying(*_: object) -> None:
    raise SystemExit


def test_a_deletion_whose_api_died_is_purged_by_the_sweeper(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    deleted_by_an_api_that_dies(tools, desk, monkeypatch)
    sent: list[Job] = []
    monkeypatch.setattr(sweeping, "publish", sent.append)
    assert purges_made_up(tools) == 0, "it may still be at it"

    monkeypatch.setattr(sweeping, "LOST_AFTER", 0.0)
    assert (purges_made_up(tools), purges_made_up(tools)) == (1, 0)

    (purge,) = sent
    assert finished(tools, purge.id).state is JobState.SUCCEEDED
    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("sources")) == []
    assert list(tools.blobs.keys("texts")) == []


def test_a_deletion_whose_api_died_can_be_made_again(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    deleted_by_an_api_that_dies(tools, desk, monkeypatch)

    purge = desk.delete_document(COLLECTION, "doc")

    assert finished(tools, purge.id).state is JobState.SUCCEEDED
    assert tools.vectors.count("handbook-1") == 0
    assert tools.documents.unpurged(silent_for=0, limit=9) == []
    with pytest.raises(NotFound):
        desk.delete_document(COLLECTION, "doc")


def test_a_document_whose_collection_went_before_its_purge_needs_none(
    tools: InProcess, desk: Submissions
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    purge = desk.delete_document(COLLECTION, "doc")
    finished(tools, desk.drop_collection(COLLECTION).id)

    assert finished(tools, purge.id).state is JobState.SUCCEEDED


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


@pytest.mark.parametrize("lost", ["chunks", "vectors-0-00000000"])
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


def indexing(tools: InProcess, desk: Submissions, text: str = "The lamp is green.") -> str:
    """A document that is to be indexed next."""
    job_id = submitted(desk, text)
    step(tools, job_id)
    assert step(tools, job_id).stage is Stage.INDEX
    return job_id


def after_writing(tools: InProcess, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Have ``then`` happen once, when points have just been written."""
    real, done = tools.vectors.upsert, []

    def write(store: str, points: Sequence[Point]) -> None:
        real(store, points)
        if not done:
            done.append(True)
            then()

    monkeypatch.setattr(tools.vectors, "upsert", write)


def test_a_cancelled_ingestion_leaves_no_points_and_no_work(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)
    after_writing(tools, monkeypatch, lambda: desk.cancel(job_id))

    assert step(tools, job_id).state is JobState.CANCELLED

    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("work")) == []
    assert tools.jobs.remains(limit=10) == []
    desk.retry(job_id)
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_an_attempt_that_lost_its_job_removes_nothing_that_its_successor_needs(
    tools: InProcess, desk: Submissions, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)
    taken: list[Lease | None] = []

    def taken_over() -> None:
        redis_client.zadd(f"{PREFIX}leases", {job_id: 0})  # it ran out
        taken.append(tools.jobs.begin(job_id, Stage.INDEX, lease_seconds=30, worker="another"))

    after_writing(tools, monkeypatch, taken_over)

    assert step(tools, job_id).state is JobState.RUNNING

    assert taken[0] is not None
    assert tools.vectors.count("handbook-1") == 1
    assert seen(tools, "lamp") == [], "only its successor may publish it"
    assert list(tools.blobs.keys("work")) != []
    redis_client.zadd(f"{PREFIX}leases", {job_id: 0})
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_a_cancelled_job_is_not_published_in_its_last_moment(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)
    real = tools.documents.publish

    def cancelled_first(document: Document, layouts: tuple[int, ...], *, under: Lease | None = None) -> bool:
        desk.cancel(job_id)
        return real(document, layouts, under=under)

    monkeypatch.setattr(tools.documents, "publish", cancelled_first)

    assert step(tools, job_id).state is JobState.CANCELLED

    assert seen(tools, "lamp") == []
    assert tools.vectors.count("handbook-1") == 0


def test_a_cancel_that_comes_after_the_publication_takes_nothing_away(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)
    real = tools.documents.publish

    def cancelled_then(document: Document, layouts: tuple[int, ...], *, under: Lease | None = None) -> bool:
        published = real(document, layouts, under=under)
        desk.cancel(job_id)
        return published

    monkeypatch.setattr(tools.documents, "publish", cancelled_then)

    assert step(tools, job_id).state is JobState.CANCELLED
    cleared(tools)
    tools.jobs.prune(finished_before=time() + 60, dead_before=0, most=0, limit=10)

    assert seen(tools, "lamp") == ["The lamp is green."]
    assert len(list(tools.blobs.keys("sources"))) == 1


def test_what_a_crashed_attempt_wrote_goes_soon_after_a_cancel(tools: InProcess, desk: Submissions) -> None:
    job_id = crashed_while_indexing(tools, desk)
    desk.cancel(job_id)

    assert cleared(tools) == 1

    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("work")) == []


def crashed_while_indexing(tools: InProcess, desk: Submissions) -> str:
    """A job whose attempt died after it had written its points."""
    job_id = indexing(tools, desk)
    with pytest.MonkeyPatch.context() as patch:
        after_writing(tools, patch, _die)
        with pytest.raises(KeyboardInterrupt):
            step(tools, job_id)
    assert tools.vectors.count("handbook-1") == 1
    return job_id


def _die() -> None:
    raise KeyboardInterrupt


def died_while_indexing(tools: InProcess, desk: Submissions) -> str:
    """A dead letter whose points were written."""
    job_id = crashed_while_indexing(tools, desk)
    for _ in range(3):  # its worker's next children die as well
        tools.jobs.begin(job_id, Stage.INDEX, lease_seconds=30, worker=tools.worker)
    assert step(tools, job_id).state is JobState.DEAD
    return job_id


def test_a_dropped_dead_letter_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    job_id = died_while_indexing(tools, desk)
    assert cleared(tools) == 0
    assert tools.vectors.count("handbook-1") == 1

    assert desk.drop(job_id).state is JobState.FAILED
    assert cleared(tools) == 1

    assert tools.vectors.count("handbook-1") == 0
    assert [key for folder in ("work", "sources", "texts") for key in tools.blobs.keys(folder)] == []


def test_a_replayed_dead_letter_resumes_at_its_stage_and_doubles_nothing(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = died_while_indexing(tools, desk)
    monkeypatch.setattr(
        embedder_for(tools, None), "embed_passages", lambda texts: pytest.fail("embedded again")
    )

    assert desk.replay(job_id).stage is Stage.INDEX

    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert tools.vectors.count("handbook-1") == 1
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_a_forgotten_dead_letter_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    job_id = died_while_indexing(tools, desk)
    job = tools.jobs.get(job_id)
    assert job is not None
    tools.jobs.prune(finished_before=0, dead_before=time() + 60, most=100, limit=10)

    forget(tools, job)

    assert tools.vectors.count("handbook-1") == 0
    assert [key for folder in ("work", "sources", "texts") for key in tools.blobs.keys(folder)] == []


def test_an_attempt_that_wakes_up_after_its_version_was_replaced_leaves_no_points(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)

    def everything_else_happens() -> None:
        tools.jobs.begin(job_id, Stage.INDEX, lease_seconds=0, worker=tools.worker)
        finished(tools, job_id)
        finished(tools, submitted(desk, "The lamp is violet."))

    real, done = tools.vectors.upsert, []

    def late(store: str, points: Sequence[Point]) -> None:
        if not done:
            done.append(True)
            everything_else_happens()
        real(store, points)

    monkeypatch.setattr(tools.vectors, "upsert", late)
    step(tools, job_id)

    assert tools.vectors.count("handbook-1") == 1
    assert seen(tools, "lamp") == ["The lamp is violet."]


def test_dead_letters_are_replayed_and_dropped_by_reason_and_collection(
    tools: InProcess, desk: Submissions
) -> None:
    ids = {}
    for reason in ("unavailable", "crashed"):
        for _ in range(3):
            job_id = submitted(desk, "The lamp is green.", document_id=str(len(ids)))
            lease = tools.jobs.begin(job_id, Stage.PARSE, lease_seconds=30)
            assert lease is not None
            error = {"type": f"urn:aegis:problem:{reason}", "detail": "died"}
            tools.jobs.finish(lease, JobState.DEAD, error=error)
            ids[job_id] = reason

    assert desk.replay_all("unavailable", ["another"], JobKind) == 0
    assert desk.replay_all("unavailable", [COLLECTION], JobKind) == 3
    assert desk.drop_all(None, None, JobKind) == 3

    for job_id, reason in ids.items():
        job = tools.jobs.get(job_id)
        assert job is not None
        assert job.state is (JobState.QUEUED if reason == "unavailable" else JobState.FAILED)
    assert len(list(tools.blobs.keys("sources"))) == 3


def test_only_dead_letters_are_replayed_and_dropped(tools: InProcess, desk: Submissions) -> None:
    job_id = submitted(desk, "The lamp is green.")
    for change in (desk.replay, desk.drop):
        with pytest.raises(Conflict):
            change(job_id)
        with pytest.raises(NotFound):
            change("nobody")


def test_a_question_that_died_is_replayed_with_fresh_time(tools: InProcess, desk: Submissions) -> None:
    finished(tools, submitted(desk, "The lamp of the lighthouse is green."))
    question = Question("Which colour has the lamp?", COLLECTION, top_k=10, top_n=3, where={}, timeout=0.05)
    job_id = desk.ask(question).job.id
    lease = tools.jobs.begin(job_id, Stage.EMBED_QUERY, lease_seconds=30)
    assert lease is not None
    tools.jobs.finish(lease, JobState.DEAD, error={"type": "urn:aegis:problem:unavailable", "detail": "away"})
    assert lease.job.deadline is not None
    while time() < lease.job.deadline:
        pass

    job = desk.replay(job_id)

    assert job.state is JobState.QUEUED
    assert job.deadline is not None
    assert job.deadline > lease.job.deadline


def test_a_refused_upload_leaves_nothing(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tools.settings.model_copy(update={"max_open_ingests": 1, "max_open_queries": 1})
    small = Submissions(settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)
    first = submitted(small, "The lamp is green.")
    with pytest.raises(Overloaded) as early:
        submitted(small, "The lamp is violet.", document_id="other")
    monkeypatch.setattr(tools.jobs, "admit", lambda *_, **__: None)  # the last place went meanwhile
    with pytest.raises(Overloaded) as late:
        submitted(small, "The lamp is violet.", document_id="other")

    assert early.value.retry_after == late.value.retry_after
    assert [key.rsplit("/")[-1] for key in tools.blobs.keys("sources")] == [first]
    asked(small, "Which colour?")
    with pytest.raises(Overloaded, match="query"):
        asked(small, "Which colour?")
    assert small.drop_collection(COLLECTION).state is JobState.QUEUED, "deletions are never refused"


def test_the_same_document_again_reaches_no_model(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    monkeypatch.setattr(
        embedder_for(tools, None), "embed_passages", lambda texts: pytest.fail("embedded again")
    )

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


def run_once_more(tools: InProcess, job_id: str, monkeypatch: pytest.MonkeyPatch) -> Job:
    """The end of a job whose records were lost before its end was journalled."""
    record = tools.restoration.jobs.record(job_id)
    tools.journal.reopen(opening_of(record))
    with connect(tools.settings) as client:
        client.flushall()
    monkeypatch.setattr(records, "publish", lambda job: None)
    records.restored(tools.restoration)
    return finished(tools, job_id)


def test_a_published_document_is_recognised_when_its_job_runs_once_more(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished(tools, submitted(desk, "The lamp is green."))

    again = run_once_more(tools, first.id, monkeypatch)

    assert (again.state, again.result) == (JobState.SUCCEEDED, first.result)
    assert seen(tools, "lamp") == ["The lamp is green."]
    assert tools.vectors.count("handbook-1") == 1
    assert len(list(tools.blobs.keys("sources"))) == 1


@pytest.mark.parametrize("since", ["replaced", "deleted"])
def test_a_job_that_runs_once_more_brings_nothing_back(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    first = finished(tools, submitted(desk, "The lamp is green."))
    if since == "replaced":
        finished(tools, submitted(desk, "The lamp is violet."))
    else:
        finished(tools, desk.delete_document(COLLECTION, "doc").id)
    left = seen(tools, "lamp")

    again = run_once_more(tools, first.id, monkeypatch)

    assert again.state is JobState.SUCCEEDED
    assert again.result is not None
    assert again.result["superseded"]
    assert seen(tools, "lamp") == left


def test_what_was_unchanged_keeps_its_bytes_until_the_record_says_so(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    job_id = submitted(desk, "The lamp is green.")
    with monkeypatch.context() as patch:
        patch.setattr(tools.jobs, "finish", lambda *_, **__: False)
        step(tools, job_id)
    assert len(list(tools.blobs.keys("sources"))) == 2

    again = run_once_more(tools, job_id, monkeypatch)

    assert again.result is not None
    assert again.result["unchanged"]
    assert len(list(tools.blobs.keys("sources"))) == 1
