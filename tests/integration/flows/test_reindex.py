"""A collection's embedding model is changed while documents come and go and questions are asked."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import redis

from rag.errors import Conflict, InvalidRequest, UnknownCollection
from rag.model import (
    Collection,
    Document,
    Job,
    JobState,
    LayoutState,
    Lease,
    Point,
    Stage,
)
from rag.settings import Settings
from tasks.app import app
from tasks.reindex import reembedding, reindex
from tasks.stages import leases
from tasks.submit import reindexes
from tasks.submit.requests import Idempotency, Reindexing
from tasks.submit.submissions import Ingestion, Question, Submissions, Text
from tasks.upkeep.layouts import put_in_order
from tasks.upkeep.rebuild import rebuild_records
from tests.deliveries import finished, job_of, record_bells, step
from tests.integration.inprocess import BLIND, DIMENSIONS, NEW, OLD, InProcess

COLLECTION = "handbook"
OLD_STORE, NEW_STORE = "handbook-1", "handbook-1.1"


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcess]:
    record_bells(monkeypatch)
    monkeypatch.setattr(reindexes.LayoutSubmissions, "look_after", lambda _: None)
    monkeypatch.setattr(reindex, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(leases, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(reembedding, "BATCH_CHUNKS", 4)
    settings = Settings(
        redis_url=valkey, aegis_home=tmp_path, jina_base_url="http://127.0.0.1:9/v1", cache_ttl_seconds=0
    )
    built = InProcess(settings)
    app.import_tasks()
    app.toolbox = built
    built.documents.put_collection(COLLECTION, OLD, DIMENSIONS[OLD])
    yield built
    built.vectors.close()


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def collection_of(tools: InProcess) -> Collection:
    collection = tools.documents.collection(COLLECTION)
    assert collection is not None
    return collection


def brought(desk: Submissions, document_id: str, text: str | None = None) -> str:
    """An ingestion of a document of two lines that no other one has."""
    words = (
        text or f"The lantern of {document_id} hangs above its northern gate.\nNobody but {document_id} rows."
    )
    return desk.ingest(Ingestion(Text(words), COLLECTION, document_id)).job.id


def ingested(tools: InProcess, desk: Submissions, *names: str) -> None:
    jobs = [brought(desk, name) for name in names]
    while under_way := [job_id for job_id in jobs if not job_of(tools, job_id).state.final]:
        for job_id in under_way:
            step(tools, job_id)
    assert all(job_of(tools, job_id).state is JobState.SUCCEEDED for job_id in jobs)


def asked(desk: Submissions, words: str) -> str:
    return desk.ask(Question(words, COLLECTION, top_k=5, top_n=1, where={}, generate=False)).job.id


def best_of(job: Job) -> str:
    assert job.result is not None, job.error
    document_id: str = job.result["hits"][0]["document_id"]
    return document_id


def reindexed(desk: Submissions, model: str = NEW, **options: object) -> str:
    wanted = Reindexing(COLLECTION, model, DIMENSIONS[model], **options)
    return desk.layouts.reindex(wanted).job.id


def names(count: int) -> list[str]:
    return [f"isle{number:02}" for number in range(count)]


def test_the_model_changes_while_everything_goes_on(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(10))
    job_id = reindexed(desk)

    slices = 0
    while step(tools, job_id).stage is Stage.REEMBED:
        slices += 1
        ingested(tools, desk, f"early{slices}")
        finished(tools, brought(desk, f"isle{2 * slices:02}", f"The buoy of slice{slices} is striped."))
        finished(tools, desk.delete_document(COLLECTION, f"isle{2 * slices + 1:02}").id)
        assert best_of(finished(tools, asked(desk, "Who rows but isle00?"))) == "isle00"
    job = finished(tools, job_id)

    assert slices > 2
    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    assert (job.result["embedding_model"], job.result["dimension"]) == (NEW, DIMENSIONS[NEW])
    assert job.result["recall_after"] == 1.0
    assert job.result["missing"] == 0
    collection = collection_of(tools)
    assert (collection.embedding_model, collection.store) == (NEW, NEW_STORE)
    assert tools.vectors.count(NEW_STORE) == tools.vectors.count(OLD_STORE) == collection.chunks
    assert best_of(finished(tools, asked(desk, f"Which buoy is of slice{slices}?"))) == f"isle{2 * slices:02}"
    assert best_of(finished(tools, asked(desk, "Who rows but early1?"))) == "early1"


def test_nobody_waits_in_vain_behind_a_document_on_its_way(tools: InProcess, desk: Submissions) -> None:
    """It was embedded before the layout began, and would be missing in it."""
    ingested(tools, desk, "isle00")
    on_its_way = brought(desk, "late")
    while job_of(tools, on_its_way).stage is not Stage.INDEX:
        step(tools, on_its_way)
    finished(tools, reindexed(desk))

    assert step(tools, on_its_way).stage is Stage.EMBED
    assert finished(tools, on_its_way).state is JobState.SUCCEEDED

    assert tools.vectors.count(NEW_STORE, "late") == tools.vectors.count(OLD_STORE, "late") == 2


def test_a_layout_that_begins_in_the_last_moment_misses_nothing(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, "isle00")
    reindexing_job, on_its_way = reindexed(desk), brought(desk, "late")
    real = tools.documents.publish

    def begun_first(document: Document, layouts: tuple[int, ...], *, under: Lease | None = None) -> bool:
        step(tools, reindexing_job)
        return real(document, layouts, under=under)

    with monkeypatch.context() as patch:
        patch.setattr(tools.documents, "publish", begun_first)
        while job_of(tools, on_its_way).stage is not Stage.INDEX:
            step(tools, on_its_way)
        assert step(tools, on_its_way).stage is Stage.EMBED
    finished(tools, on_its_way)
    finished(tools, reindexing_job)

    assert tools.vectors.count(NEW_STORE, "late") == 2


@pytest.mark.parametrize("done", [Stage.EMBED_QUERY, Stage.SEARCH])
def test_a_question_in_the_middle_is_embedded_anew(
    tools: InProcess, desk: Submissions, done: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(3))
    question, job_id = asked(desk, "Who rows but isle02?"), reindexed(desk)
    if done is Stage.SEARCH:
        monkeypatch.setattr(tools.documents, "collection", _switching(tools, question, job_id))
    else:
        step(tools, question)
        finished(tools, job_id)

    job = finished(tools, question)

    assert collection_of(tools).embedding_model == NEW
    assert job.retries > 0
    assert best_of(job) == "isle02"


def _switching(tools: InProcess, question: str, job_id: str) -> Callable[[str], Collection | None]:
    """Looks the collection up, and has it switched as soon as the question has its hits."""
    real, begun = tools.documents.collection, []

    def look(name: str) -> Collection | None:
        if job_of(tools, question).stage is Stage.RERANK and not begun:
            begun.append(job_id)
            finished(tools, job_id)
        return real(name)

    return look


class Killed(BaseException):
    """As sudden as a signal."""


@pytest.mark.parametrize("dies", [False, True])
def test_what_is_deleted_before_it_is_written_leaves_nothing(
    tools: InProcess, desk: Submissions, dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even by a worker that dies then; what it had done before is not done again."""
    ingested(tools, desk, *names(10))
    job_id = reindexed(desk)
    step(tools, job_id)
    step(tools, job_id)
    done, real = job_of(tools, job_id).progress.done, tools.vectors.upsert
    deleted, replaced = names(10)[done : done + 2]

    def written_late(store: str, points: Sequence[Point]) -> None:
        monkeypatch.setattr(tools.vectors, "upsert", real)
        finished(tools, desk.delete_document(COLLECTION, deleted).id)
        finished(tools, brought(desk, replaced, "The buoy is striped."))
        real(store, points)
        assert tools.vectors.count(NEW_STORE, deleted) > 0
        if dies:
            raise Killed

    monkeypatch.setattr(tools.vectors, "upsert", written_late)
    with pytest.raises(Killed) if dies else nullcontext():
        step(tools, job_id)
    tools.models[NEW].embedded.clear()

    job = finished(tools, job_id)

    assert done > 0
    assert job.state is JobState.SUCCEEDED
    assert tools.vectors.count(NEW_STORE, deleted) == 0
    assert tools.vectors.count(NEW_STORE) == tools.vectors.count(OLD_STORE) == collection_of(tools).chunks
    assert not any(name in " ".join(tools.models[NEW].embedded) for name in names(10)[:done])


def test_it_is_taken_back_at_once_and_nothing_is_missing(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(4))
    finished(tools, reindexed(desk))
    ingested(tools, desk, "since")
    finished(tools, desk.delete_document(COLLECTION, "isle01").id)

    back = desk.layouts.roll_back(COLLECTION)

    assert (back.embedding_model, back.store) == (OLD, OLD_STORE)
    assert desk.layouts.roll_back(COLLECTION) == back, "it is taken back once, however often that is sent"
    assert best_of(finished(tools, asked(desk, "Who rows but since?"))) == "since"
    assert tools.vectors.count(OLD_STORE) == tools.vectors.count(NEW_STORE) == collection_of(tools).chunks


def test_what_was_taken_back_is_there_to_go_forward_again(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(4))
    finished(tools, reindexed(desk))
    desk.layouts.roll_back(COLLECTION)
    tools.models[NEW].embedded.clear()

    assert finished(tools, reindexed(desk)).state is JobState.SUCCEEDED

    assert collection_of(tools).store == NEW_STORE
    assert tools.models[NEW].embedded == []


def test_after_the_end_only_one_layout_is_written(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    finished(tools, reindexed(desk))

    left = desk.layouts.finish(COLLECTION)
    put_in_order(tools)

    assert left.second is None
    assert tools.vectors.collections() == (NEW_STORE,)
    tools.models[OLD].embedded.clear()
    ingested(tools, desk, "isle01")
    assert tools.models[OLD].embedded == []
    assert desk.layouts.finish(COLLECTION).second is None
    with pytest.raises(Conflict, match="no earlier layout"):
        desk.layouts.roll_back(COLLECTION)


@pytest.mark.parametrize(("hours", "stores"), [(1.0, (OLD_STORE, NEW_STORE)), (0.0, (NEW_STORE,))])
def test_the_former_layout_is_kept_for_a_while(
    tools: InProcess,
    desk: Submissions,
    hours: float,
    stores: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingested(tools, desk, "isle00")
    finished(tools, reindexed(desk))
    monkeypatch.setattr(tools, "_settings", tools.settings.model_copy(update={"reindex_keep_hours": hours}))

    put_in_order(tools)

    assert tools.vectors.collections() == stores


def test_a_cancelled_one_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(6))
    job_id = reindexed(desk)
    step(tools, job_id)
    with pytest.raises(Conflict, match="cancel"):
        desk.layouts.finish(COLLECTION)
    on_its_way = brought(desk, "late")
    while job_of(tools, on_its_way).stage is not Stage.INDEX:
        step(tools, on_its_way)

    desk.cancel(job_id)
    put_in_order(tools)

    assert collection_of(tools).second is None
    assert finished(tools, on_its_way).state is JobState.SUCCEEDED
    assert tools.vectors.collections() == (OLD_STORE,)
    assert best_of(finished(tools, asked(desk, "Who rows but late?"))) == "late"


def test_a_document_is_not_lost_with_the_store_it_is_written_to(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(6))
    job_id = reindexed(desk)
    step(tools, job_id)
    on_its_way, real = brought(desk, "late"), tools.vectors.ensure

    def given_up_then(store: str, spec: object) -> None:
        real(store, spec)
        if store == NEW_STORE and not job_of(tools, job_id).state.final:
            desk.cancel(job_id)
            put_in_order(tools)

    monkeypatch.setattr(tools.vectors, "ensure", given_up_then)

    assert finished(tools, on_its_way).state is JobState.SUCCEEDED
    assert tools.vectors.collections() == (OLD_STORE,)


def test_a_model_that_finds_less_is_not_switched_to(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(10))

    job = finished(tools, reindexed(desk, BLIND))

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "Nothing was switched" in job.error["detail"]
    assert "--force" in job.error["detail"]
    assert collection_of(tools).embedding_model == OLD


def test_force_goes_on_where_the_comparison_stopped_it(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(10))
    finished(tools, reindexed(desk, BLIND))
    put_in_order(tools)
    tools.models[BLIND].embedded.clear()

    job = finished(tools, reindexed(desk, BLIND, force=True))

    assert job.state is JobState.SUCCEEDED
    assert collection_of(tools).embedding_model == BLIND
    assert tools.models[BLIND].embedded == []


def test_one_at_a_time(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(6))
    job_id = reindexed(desk)
    with pytest.raises(Conflict, match="already"):
        reindexed(desk, BLIND)
    step(tools, job_id)
    with pytest.raises(Conflict, match="already"):
        reindexed(desk, NEW)
    finished(tools, job_id)

    with pytest.raises(Conflict, match="still kept"):
        reindexed(desk, BLIND)
    with pytest.raises(Conflict, match="force"):
        reindexed(desk, NEW)


def test_the_same_submit_gets_the_same_job(tools: InProcess, desk: Submissions) -> None:
    wanted, key = Reindexing(COLLECTION, NEW, DIMENSIONS[NEW]), Idempotency("key", "digest")

    first, again = desk.layouts.reindex(wanted, key), desk.layouts.reindex(wanted, key)

    assert (first.new, again.new) == (True, False)
    assert first.job.id == again.job.id


def test_what_cannot_work_is_said_before_anything_is_made(tools: InProcess, desk: Submissions) -> None:
    with pytest.raises(UnknownCollection):
        desk.layouts.reindex(Reindexing("elsewhere", NEW))
    with pytest.raises(Conflict, match="OLLAMA_URL"):
        desk.layouts.reindex(Reindexing(COLLECTION, "ollama:nomic"))
    with pytest.raises(InvalidRequest, match="dimension"):
        desk.layouts.reindex(Reindexing(COLLECTION, "all-MiniLM-L6-v2", 512))

    job = finished(tools, desk.layouts.reindex(Reindexing(COLLECTION, NEW, 512)).job.id)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert f"gives {DIMENSIONS[NEW]} dimensions, not 512" in job.error["detail"]
    assert collection_of(tools).second is None


def test_a_collection_that_is_deleted_meanwhile_is_gone(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(6))
    job_id = reindexed(desk)
    step(tools, job_id)

    finished(tools, desk.drop_collection(COLLECTION).id)
    job = finished(tools, job_id)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "was deleted" in job.error["detail"]
    assert tools.vectors.collections() == ()


@pytest.mark.parametrize("switched", [False, True], ids=["in the middle", "after the switch"])
def test_it_outlives_the_brokers_data(
    tools: InProcess,
    desk: Submissions,
    redis_client: redis.Redis,
    switched: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingested(tools, desk, *names(6))
    job_id = reindexed(desk)
    step(tools, job_id)
    if switched:
        finished(tools, job_id)
    before = collection_of(tools)

    redis_client.flushall()
    rebuild_records(tools.restoration)

    after = collection_of(tools)
    assert (after.layouts, after.second and after.second.state) == (
        before.layouts,
        before.second and before.second.state,
    )
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert tools.vectors.count(NEW_STORE) == collection_of(tools).chunks == 12
    assert collection_of(tools).second.state is LayoutState.KEPT
    assert desk.layouts.roll_back(COLLECTION).embedding_model == OLD
