"""``aegis demo`` with every role on a server outside of Aegis, but those of Jina: one run, seen closely."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from rag.blobs.store import ObstoreBlobs
from rag.jobs import RedisJobStore
from rag.model import Job, JobKind, JobState
from rag.redis.connection import connect
from rag.settings import Settings, load
from tests import qdrantserver
from tests.integration.collector import Collector, Seen, collecting
from tests.integration.redisservers import QUOTED, server
from tests.ollamabuild import patience
from tests.ollamaserver import CHAT, ollama_if_any
from tests.s3server import environment, s3_server
from tests.system.running import Stack, stack_in, until

QUESTION = "What are the blades of the turbine made of?"
DOCUMENTS = {
    "turbine.md": "# Turbine\n\nIt is cooled by compressed air. Its blades are made of a nickel alloy.\n",
    "kite.md": "# Kite\n\nThe kite flies best in a steady wind of twelve knots.\n",
}
KEY = "qdrant-key"
END_SECONDS = 240

pytestmark = pytest.mark.timeout(patience() + END_SECONDS)


@dataclass(frozen=True)
class Run:
    """A demonstration that is over, and what it left on the servers that outlive it."""

    status: int
    stack: Stack
    settings: Settings
    collector: Collector

    def job(self, kind: JobKind) -> Job:
        """The newest of its kind."""
        with connect(self.settings) as client:
            jobs = RedisJobStore(client, self.settings)
            return jobs.page(
                states=[JobState.SUCCEEDED], kinds=[kind], collections=None, cursor=None, limit=1
            ).items[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home, docs = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("docs")
    for name, text in DOCUMENTS.items():
        (docs / name).write_text(text)
    with (
        server(tmp_path_factory.mktemp("redis")) as redis,
        qdrantserver.serving(qdrantserver.QdrantServer(api_key=KEY)) as qdrant,
        s3_server() as s3,
        ollama_if_any() as ollama,
        collecting() as collector,
    ):
        variables = {
            "REDIS_URL": f"redis://:{QUOTED}@127.0.0.1:{redis.port}/0",
            "QDRANT_URL": os.environ.get("QDRANT_URL", qdrant.url),
            "QDRANT_API_KEY": os.environ.get("QDRANT_API_KEY", KEY),
            **s3.environment,
            **({"OLLAMA_URL": ollama, "OLLAMA_MODEL": CHAT, "GENERATOR_MAX_TOKENS": "32"} if ollama else {}),
            "JAEGER_ENDPOINT": collector.url,
            "API_HOST": "127.0.0.1",
            "API_WORKERS": "1",
        }
        words = ("demo", "--once", "--docs", str(docs), "--question", QUESTION)
        stack = stack_in(home, *words, **variables).start()
        try:
            assert stack.process is not None
            status = stack.process.wait(END_SECONDS)
        finally:
            stack.stop()
        with environment(variables):
            yield Run(status, stack, load(), collector)


def test_it_answers_from_the_right_document(run: Run) -> None:
    assert run.status == 0, run.stack.printed
    assert "2 of 2 documents" in run.stack.printed
    result = run.job(JobKind.QUERY).result
    assert result is not None
    assert result["hits"][0]["document_id"] == "turbine.md"
    assert "nickel alloy" in result["hits"][0]["text"]
    assert result["generator"] == run.settings.answered_by
    assert {citation["document_id"] for citation in result["citations"]} <= {"turbine.md", "kite.md"}


def test_no_embedded_part_runs_beside_a_server_of_its_role(run: Run) -> None:
    assert "✓ worker-generate " in run.stack.printed
    assert "✓ broker " not in run.stack.printed
    assert "✓ vectors " not in run.stack.printed
    assert not (run.stack.home / "redis").exists()
    assert not (run.stack.home / "vectors").exists()
    assert not (run.stack.home / "blobs").exists()


def test_what_was_ingested_is_in_the_bucket(run: Run) -> None:
    keys = list(ObstoreBlobs.of(run.settings).keys(""))

    assert sum(key.startswith("sources/") for key in keys) == len(DOCUMENTS)
    assert sum(key.startswith("texts/") for key in keys) == len(DOCUMENTS)


def test_nothing_is_left_running(run: Run) -> None:
    until(lambda: run.stack.processes() == [])


def test_each_job_is_one_trace_over_the_api_and_its_lanes(run: Run) -> None:
    # quoting needs no model, so the lane that reranks goes on with it
    generating = {"generate"} if run.settings.answered_by == "ollama" else set()
    for kind, lanes in (
        (JobKind.INGEST, {"parse", "embed", "index"}),
        (JobKind.QUERY, {"embed-query", "rerank", *generating}),
    ):
        job = run.job(kind)
        assert job.trace is not None
        spans = run.collector.of(job.trace.split("-")[1])
        submit = _named(spans, f"submit {kind}")
        request = _named(spans, f"POST /v1/{'documents' if kind is JobKind.INGEST else 'queries'}")
        stages = [span for span in spans if span.name.startswith("stage ")]
        assert submit.parent == request.span
        assert {span.parent for span in stages} == {submit.span}
        assert lanes <= {lane for span in stages for lane in span.service.removeprefix("aegis-").split("+")}
        assert {span.attributes["aegis.job"] for span in stages} == {job.id}


@pytest.mark.parametrize(
    ("call", "stage"),
    [
        ("qdrant search", "search"),
        ("qdrant upsert", "index"),
        ("s3 put", "parse"),
        ("ollama answer", "generate"),
    ],
)
def test_calls_to_servers_are_spans_below_their_stage(run: Run, call: str, stage: str) -> None:
    if stage == "generate" and run.settings.answered_by != "ollama":
        pytest.skip("no Ollama server can be built here")
    spans = {seen.span: seen for seen in run.collector.spans}
    parents = [spans[seen.parent] for seen in run.collector.spans if seen.name == call]
    above = {spans[each.parent].name if each.name.startswith("call ") else each.name for each in parents}

    assert f"stage {stage}" in above


def _named(spans: list[Seen], name: str) -> Seen:
    return next(span for span in spans if span.name == name)
