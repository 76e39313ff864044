"""What is embedded and answered once is not embedded and answered again, until something changes."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pytest
import redis
from prometheus_client import CollectorRegistry, generate_latest

from api.metrics.usage import CacheCollector
from rag.model import Embedding, EventKind, Job, JobState, Json, Stage
from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from rag.vectors.edge.store import EdgeVectorStore
from tasks.app import app
from tasks.submit.submissions import Ingestion, Question, Submissions, Text
from tasks.upkeep import maintenance
from tasks.upkeep.rebuild import rebuild_records
from tests.deliveries import record_bells, step
from tests.system.running import until
from workers import embedding
from workers.embedding.build import build
from workers.embedding.bundled import BundledEmbedder
from workers.tools import Tools

COLLECTION = "handbook"
LAMP = "The lamp of the lighthouse is violet."
BELL = "The harbour bell rings twice at noon."


class Watched(BundledEmbedder):
    """The bundled model, and what it was asked for."""

    def __init__(self, model_dir: Path) -> None:
        super().__init__(model_dir)
        self.passages: list[str] = []
        self.queries: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        self.passages += texts
        return super().embed_passages(texts)

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        self.queries += texts
        return super().embed_queries(texts)


class InProcess(Tools):
    """The tools of a worker, with the vector engine in this process."""

    @cached_property
    def vectors(self) -> EdgeVectorStore:
        return EdgeVectorStore(self.settings.home / "vectors")


@pytest.fixture(scope="module")
def loaded_model() -> Watched:
    """The bundled model, built where set-up puts it if need be."""
    folder = Settings().model_dir
    build(folder, lambda line: None)
    return Watched(folder)


@pytest.fixture
def model(loaded_model: Watched, monkeypatch: pytest.MonkeyPatch) -> Watched:
    loaded_model.passages.clear()
    loaded_model.queries.clear()
    monkeypatch.setattr(embedding, "embedder_for", lambda *_, **__: loaded_model)
    return loaded_model


Open = Callable[..., InProcess]


@pytest.fixture
def opened(
    valkey: str,
    tmp_path: Path,
    model: Watched,
    isolated_parser: IsolatedParser,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Open]:
    """Makes a worker's tools with other settings; those made last are at work."""
    monkeypatch.setattr(InProcess, "parser", isolated_parser)
    record_bells(monkeypatch)
    app.import_tasks()
    made: list[InProcess] = []

    def open_with(**settings: object) -> InProcess:
        for tools in made:
            tools.vectors.close()
        values = {"redis_url": valkey, "aegis_home": tmp_path, **settings}
        made.append(InProcess(Settings.model_validate(values)))
        app.toolbox = made[-1]
        return made[-1]

    yield open_with
    if made:
        made[-1].vectors.close()


@pytest.fixture
def tools(opened: Open) -> InProcess:
    return opened()


def desk_of(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)


def finished(tools: InProcess, job_id: str) -> Job:
    """Let every stage of the job run."""
    while not (job := _job(tools, job_id)).state.final:
        step(tools, job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    return job


def _job(tools: InProcess, job_id: str) -> Job:
    job = tools.jobs.get(job_id)
    assert job is not None
    return job


def ingested(
    tools: InProcess, text: str, document_id: str, collection: str = COLLECTION, **more: object
) -> Job:
    ingestion = Ingestion(Text(text), collection, document_id, **more)  # type: ignore[arg-type]
    return finished(tools, desk_of(tools).ingest(ingestion).job.id)


def asked(tools: InProcess, question: str, collection: str = COLLECTION, **more: object) -> Job:
    options = {"top_k": 5, "top_n": 2, "where": {}, **more}
    job = desk_of(tools).ask(Question(question, collection, **options)).job  # type: ignore[arg-type]
    return finished(tools, job.id)


def result(job: Job) -> Json:
    assert job.result is not None
    return job.result


class TestEmbeddings:
    def test_the_same_text_in_another_document_reaches_no_model(
        self, tools: InProcess, model: Watched
    ) -> None:
        first = ingested(tools, LAMP, "first")
        assert model.passages == [LAMP]

        again = ingested(tools, LAMP, "again", title="Another title", metadata={"lang": "en"})
        elsewhere = ingested(tools, LAMP, "first", "elsewhere")

        assert model.passages == [LAMP]
        assert [result(job)["chunks"] for job in (first, again, elsewhere)] == [1, 1, 1]
        assert {hit["document_id"] for hit in result(asked(tools, "lamp"))["hits"]} == {"first", "again"}

    def test_a_changed_paragraph_is_embedded_alone(self, tools: InProcess, model: Watched) -> None:
        paragraphs = [" ".join(f"Room {n} has {n + w} chairs." for w in range(20)) for n in range(6)]
        chunks = result(ingested(tools, "\n\n".join(paragraphs), "rooms"))["chunks"]
        assert len(model.passages) == chunks == 6
        model.passages.clear()
        paragraphs[3] = paragraphs[3].replace("chairs", "stools")

        ingested(tools, "\n\n".join(paragraphs), "rooms")

        assert model.passages == [paragraphs[3]]

    def test_without_a_lifetime_the_model_does_it_all(self, opened: Open, model: Watched) -> None:
        tools = opened(cache_ttl_seconds=0)

        ingested(tools, LAMP, "first")
        ingested(tools, LAMP, "again")
        first, again = asked(tools, "Which colour is the lamp?"), asked(tools, "Which colour is the lamp?")

        assert model.passages == [LAMP, LAMP]
        assert len(model.queries) == 2
        assert not result(first)["cached"]
        assert not result(again)["cached"]

    def test_what_has_ended_is_embedded_again(self, opened: Open, model: Watched) -> None:
        tools = opened(cache_ttl_seconds=0.5)
        ingested(tools, LAMP, "first")
        until(lambda: tools.cache.figures().size == 0)

        ingested(tools, LAMP, "again")

        assert model.passages == [LAMP, LAMP]

    def test_a_broker_without_room_costs_the_cache_and_no_job(
        self, tools: InProcess, model: Watched, redis_client: redis.Redis
    ) -> None:
        for n in range(500):
            redis_client.set(f"{{aegis}}:ballast-{n}", bytes(10_000))
        redis_client.config_set("maxmemory", redis_client.info("memory")["used_memory"] * 4 // 3)
        try:
            ingested(tools, LAMP, "first")
            ingested(tools, LAMP, "again")
        finally:
            redis_client.config_set("maxmemory", 0)

        assert model.passages == [LAMP, LAMP]
        assert tools.cache.figures().size == 0

    def test_the_cache_goes_before_any_job_when_memory_is_short(
        self, tools: InProcess, redis_client: redis.Redis
    ) -> None:
        tools.cache.put("embeddings", {f"{n}": bytes(20_000) for n in range(200)})  # type: ignore[arg-type]
        job = ingested(tools, LAMP, "first")
        redis_client.config_set("maxmemory", redis_client.info("memory")["used_memory"] * 4 // 3)
        try:
            assert maintenance.forget_early(tools) == 0
        finally:
            redis_client.config_set("maxmemory", 0)

        assert tools.cache.figures().size == 0
        assert _job(tools, job.id).state is JobState.SUCCEEDED


class TestAnswers:
    def test_the_same_question_is_answered_from_the_cache(self, tools: InProcess, model: Watched) -> None:
        ingested(tools, LAMP, "lamp")
        first = asked(tools, "Which colour is the lamp?")
        assert result(first)["citations"]

        again = asked(tools, "  Which colour\n is the  lamp? ")

        assert (_job(tools, first.id).stage, again.stage) == (Stage.GENERATE, Stage.EMBED_QUERY)
        assert len(model.queries) == 1
        untold = {"timings_ms": None, "cached": None}
        assert result(again) | untold == result(first) | untold
        assert (result(first)["cached"], result(again)["cached"]) == (False, True)
        assert result(again)["timings_ms"].keys() == result(first)["timings_ms"].keys()
        assert result(again)["timings_ms"]["generate"] == 0

    def test_whoever_listens_hears_the_text_and_then_the_result(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        asked(tools, "Which colour is the lamp?")

        again = asked(tools, "Which colour is the lamp?", stream=True)

        events = tools.jobs.events(again.id)
        told = "".join(event.data["text"] for event in events if event.kind is EventKind.TOKEN)
        assert told == result(again)["answer"]
        assert events[-1].kind is EventKind.RESULT
        assert events[-1].data["cached"]

    def test_hits_without_an_answer_are_kept_too(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        first = asked(tools, "lamp", generate=False)

        again = asked(tools, "lamp", generate=False)

        assert result(again)["cached"]
        assert result(again)["hits"] == result(first)["hits"]
        assert result(again)["answer"] is None
        assert all(event.kind is not EventKind.TOKEN for event in tools.jobs.events(again.id))

    def test_an_honest_not_found_is_kept_until_there_is_an_answer(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        question = "How often does the harbour bell ring?"
        assert result(asked(tools, question))["citations"] == []
        assert result(asked(tools, question))["cached"]

        ingested(tools, BELL, "bell")

        now = result(asked(tools, question))
        assert not now["cached"]
        assert [citation["document_id"] for citation in now["citations"]] == ["bell"]

    def test_nothing_of_a_deleted_document_is_ever_answered(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        ingested(tools, BELL, "bell")
        asked(tools, "Which colour is the lamp?")
        assert result(asked(tools, "Which colour is the lamp?"))["cached"]

        desk_of(tools).delete_document(COLLECTION, "lamp")  # hidden, and not purged yet

        now = result(asked(tools, "Which colour is the lamp?"))
        assert not now["cached"]
        assert "lamp" not in {hit["document_id"] for hit in now["hits"]}
        assert result(asked(tools, "Which colour is the lamp?"))["cached"], "the new answer is kept"

    def test_a_new_version_is_answered_from(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        asked(tools, "Which colour is the lamp?")

        ingested(tools, LAMP.replace("violet", "green"), "lamp")

        assert "green" in result(asked(tools, "Which colour is the lamp?"))["answer"]

    def test_what_is_published_during_a_question_is_in_the_next_answer(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        question = Question("Which colour is the lamp?", COLLECTION, 5, 2, {})
        slow = desk_of(tools).ask(question).job
        step(tools, slow.id)
        ingested(tools, LAMP.replace("violet", "green"), "lamp")
        finished(tools, slow.id)

        now = result(asked(tools, "Which colour is the lamp?"))

        assert not now["cached"]
        assert "green" in now["answer"]

    def test_a_collection_that_was_made_anew_knows_nothing(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        asked(tools, "Which colour is the lamp?")
        desk_of(tools).drop_collection(COLLECTION)

        ingested(tools, BELL, "bell")

        now = result(asked(tools, "Which colour is the lamp?"))
        assert not now["cached"]
        assert now["citations"] == []

    def test_two_collections_do_not_mix(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        ingested(tools, LAMP.replace("violet", "green"), "lamp", "elsewhere")

        here, there = (asked(tools, "Which colour is the lamp?", name) for name in (COLLECTION, "elsewhere"))

        assert "violet" in result(here)["answer"]
        assert "green" in result(there)["answer"]

    def test_another_question_is_another_answer(self, tools: InProcess) -> None:
        ingested(tools, LAMP, "lamp")
        question = "Which colour is the lamp?"
        asked(tools, question)

        others = [
            asked(tools, "Which colour has the lamp?"),
            asked(tools, question, where={"lang": "en"}),
            asked(tools, question, top_k=4),
            asked(tools, question, top_n=1),
            asked(tools, question, generate=False),
        ]

        assert [result(other)["cached"] for other in others] == [False] * 5

    def test_other_models_give_another_answer(self, opened: Open) -> None:
        tools = opened()
        ingested(tools, LAMP, "lamp")
        asked(tools, "Which colour is the lamp?")
        changed = opened(generator_max_tokens=100)

        assert not result(asked(changed, "Which colour is the lamp?"))["cached"]
        assert result(asked(opened(), "Which colour is the lamp?"))["cached"]

    def test_a_question_can_refuse_the_cache(self, tools: InProcess, model: Watched) -> None:
        ingested(tools, LAMP, "lamp")
        asked(tools, "Which colour is the lamp?", cache=False)
        kept = asked(tools, "Which colour is the lamp?")

        fresh = asked(tools, "Which colour is the lamp?", cache=False)

        assert not result(kept)["cached"], "what refuses the cache leaves nothing in it"
        assert not result(fresh)["cached"]
        assert len(model.queries) == 3
        assert result(asked(tools, "Which colour is the lamp?"))["cached"]

    def test_a_question_that_failed_leaves_nothing(
        self, tools: InProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ingested(tools, LAMP, "lamp")
        question = Question("Which colour is the lamp?", COLLECTION, 5, 2, {})
        job = desk_of(tools).ask(question).job
        tools.jobs.cancel(job.id)

        assert not result(asked(tools, "Which colour is the lamp?"))["cached"]

    def test_what_the_broker_lost_is_never_answered_from(
        self, tools: InProcess, redis_client: redis.Redis
    ) -> None:
        ingested(tools, LAMP, "lamp")
        asked(tools, "Which colour is the lamp?")
        before = tools.documents.collection(COLLECTION)
        assert before is not None
        entries = {key: redis_client.dump(key) for key in ("{aegis}:cache:entries", "{aegis}:cache:ends")}

        redis_client.flushall()
        rebuild_records(tools.restoration)
        for key, value in entries.items():
            assert value is not None
            redis_client.restore(key, 0, value)

        after = tools.documents.collection(COLLECTION)
        assert after is not None
        assert after.revision > before.revision
        assert not result(asked(tools, "Which colour is the lamp?"))["cached"]


def test_the_figures_of_all_workers_are_in_the_metrics(tools: InProcess) -> None:
    ingested(tools, LAMP, "lamp")
    ingested(tools, LAMP, "again")
    asked(tools, "Which colour is the lamp?")
    asked(tools, "Which colour is the lamp?")
    registry = CollectorRegistry()
    registry.register(CacheCollector(tools.cache))

    shown = generate_latest(registry).decode()

    assert 'aegis_cache_requests_total{cache="embeddings",outcome="hit"} 1.0' in shown
    assert 'aegis_cache_requests_total{cache="embeddings",outcome="miss"} 2.0' in shown
    assert 'aegis_cache_requests_total{cache="answers",outcome="hit"} 1.0' in shown
    assert 'aegis_cache_requests_total{cache="answers",outcome="miss"} 1.0' in shown
    assert f"aegis_cache_bytes {float(tools.cache.figures().size)}" in shown


class TestTenants:
    """Who has the same embedded or asks the same is not told that somebody else did."""

    @pytest.mark.parametrize(
        ("sharing", "passages"), [("all", [LAMP]), ("collection", [LAMP, LAMP]), ("key", [LAMP, LAMP])]
    )
    def test_of_another_collection(
        self, opened: Open, model: Watched, sharing: str, passages: list[str]
    ) -> None:
        tools = opened(cache_sharing=sharing)

        for owner, collection in (("ann", "one"), ("bob", "two"), ("ann", "one")):
            ingestion = Ingestion(Text(LAMP), collection, f"{owner}'s", metadata={"n": len(model.passages)})
            finished(tools, desk_of(tools).ingest(ingestion, owner=owner).job.id)

        assert model.passages == passages

    @pytest.mark.parametrize(("sharing", "known"), [("all", True), ("collection", True), ("key", False)])
    def test_of_another_key(self, opened: Open, model: Watched, sharing: str, *, known: bool) -> None:
        tools = opened(cache_sharing=sharing)
        ingested(tools, LAMP, "lamp")

        def asks(owner: str) -> bool:
            question = Question("What colour is the lamp?", COLLECTION, top_k=5, top_n=2, where={})
            job = finished(tools, desk_of(tools).ask(question, owner=owner).job.id)
            return bool(result(job).get("cached"))

        assert not asks("ann")
        assert asks("ann")
        assert asks("bob") is known
        assert model.queries == ["What colour is the lamp?"] * (1 if known else 2)


class TestWhatIsOnItsWay:
    """What was not found may be in a document that is not there yet."""

    def test_a_question_that_finds_nothing_tells_how_many_documents_are_to_come(
        self, tools: InProcess, model: Watched
    ) -> None:
        ingested(tools, LAMP, "lamp")
        for document_id, collection in (("bell", COLLECTION), ("horn", COLLECTION), ("other", "elsewhere")):
            desk_of(tools).ingest(Ingestion(Text(BELL), collection, document_id))

        nothing = result(asked(tools, "Who repaired the bridge in 1911?"))
        found = result(asked(tools, "Which colour is the lamp?"))
        no_hits = result(asked(tools, "Which colour?", generate=False, where={"lang": "xx"}))

        assert (nothing["citations"], nothing["pending_documents"]) == ([], 2)
        assert found["citations"]
        assert "pending_documents" not in found
        assert (no_hits["hits"], no_hits["pending_documents"]) == ([], 2)

    def test_it_tells_of_those_that_were_on_their_way_when_it_was_searched(
        self, tools: InProcess, model: Watched
    ) -> None:
        ingested(tools, LAMP, "lamp")
        coming = desk_of(tools).ingest(Ingestion(Text(BELL), COLLECTION, "bell")).job
        question = Question("Who repaired the bridge in 1911?", COLLECTION, 5, 2, {})
        asking = desk_of(tools).ask(question).job
        while _job(tools, asking.id).stage is not Stage.GENERATE:
            step(tools, asking.id)
        finished(tools, coming.id)

        assert result(finished(tools, asking.id))["pending_documents"] == 1

    def test_an_answer_that_is_kept_tells_how_many_there_are_now(
        self, tools: InProcess, model: Watched
    ) -> None:
        ingested(tools, LAMP, "lamp")
        first = result(asked(tools, "Who repaired the bridge in 1911?"))
        desk_of(tools).ingest(Ingestion(Text(BELL), COLLECTION, "bell"))
        again = result(asked(tools, "Who repaired the bridge in 1911?"))

        assert (first["cached"], first["pending_documents"]) == (False, 0)
        assert (again["cached"], again["pending_documents"]) == (True, 1)
