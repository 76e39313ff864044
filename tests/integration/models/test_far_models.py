"""A document and a question through every stage, embedding and reranking switched each by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from redis import Redis

from api.metrics.usage import UsageCollector
from rag.model import JobState, Json
from rag.redis.token_usage import TokenUsage
from rag.settings import Settings
from tasks.app import app
from tasks.submit.submissions import Ingestion, Question, Submissions, Text
from tests.deliveries import finished, record_bells
from tests.integration.flows.stages import InProcess
from tests.jinaserver import KEY, Jina, serving
from workers.embedding.build import build

COLLECTION = "handbook"
TEXT = """The harbour bell rings twice at noon.

The lighthouse keeper paints the tower green every spring, with paint from the village.

Ferries leave for the island at seven in the morning and at five in the afternoon."""
MEETING = "The council meets on Tuesdays to speak about taxes and roads."


@pytest.fixture
def server() -> Iterator[Jina]:
    with serving(Jina()) as started:
        yield started


@pytest.fixture(params=[("jina", "bundled"), ("bundled", "jina"), ("jina", "jina")], ids="-".join)
def tools(
    request: pytest.FixtureRequest,
    server: Jina,
    valkey: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[InProcess]:
    record_bells(monkeypatch)
    embedder, reranker = request.param
    settings = Settings(
        redis_url=valkey,
        aegis_home=tmp_path,
        jina_base_url=server.url,
        jina_api_key=KEY,
        embedder=embedder,
        reranker=reranker,
        chunk_tokens=32,
    )
    build(settings.model_dir, lambda _: None)
    built = InProcess(settings)
    app.import_tasks()
    app.toolbox = built
    yield built
    built.vectors.close()
    built.parser.close()


@pytest.fixture
def desk(tools: InProcess) -> Submissions:
    return Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda _: None)


def result(tools: InProcess, job_id: str) -> Json:
    job = finished(tools, job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    return job.result


def asked(tools: InProcess, desk: Submissions, question: str) -> Json:
    return result(tools, desk.ask(Question(question, COLLECTION, top_k=10, top_n=3, where={})).job.id)


def test_a_question_is_answered_and_one_about_something_else_is_not(
    tools: InProcess, desk: Submissions, server: Jina, redis_client: Redis
) -> None:
    # given two documents
    for name, text in (("harbour", TEXT), ("council", MEETING)):
        assert result(tools, desk.ingest(Ingestion(Text(text), COLLECTION, name)).job.id)["chunks"] >= 1
    # when a question is asked that one of them answers
    found = asked(tools, desk, "What colour is the lighthouse tower painted in spring?")
    # then it is answered from there
    assert "green" in found["answer"]
    assert found["citations"][0]["document_id"] == "harbour"
    assert found["hits"][0]["score"] > 0.45
    # and a question about something else gets an honest "not found"
    strange = asked(tools, desk, "Which enzymes digest starch?")
    assert strange["citations"] == []
    # and what was paid for is in /metrics, by purpose
    registry = CollectorRegistry()
    registry.register(UsageCollector(TokenUsage(redis_client)))
    figures = generate_latest(registry).decode()
    settings = tools.settings
    purposes = {"jina": {"passage", "query"}, "bundled": set()}[settings.embedded_by]
    purposes |= {"jina": {"rerank"}, "bundled": set()}[settings.reranked_by]
    for purpose in ("passage", "query", "rerank"):
        assert (f'purpose="{purpose}"' in figures) == (purpose in purposes)
    assert 'aegis_model_tokens_total{model="jina-' in figures
