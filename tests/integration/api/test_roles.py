"""Each role switched alone by its variables: a document in, a question answered, the rest as embedded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import pytest

from rag.model import JobState
from rag.ports import VectorStore
from rag.redis.connection import connect
from rag.settings import Settings
from rag.vectors.edge.store import EdgeVectorStore
from tasks.app import app
from tasks.submit.submissions import Ingestion, Question, Submissions, Text
from tests import jinaserver, qdrantserver
from tests.deliveries import finished, record_bells
from tests.integration.brokers import declare_intact
from tests.integration.redisservers import QUOTED, server
from tests.ollamabuild import patience
from tests.ollamaserver import CHAT, EMBEDDING, ollama_if_any
from tests.s3server import S3Server, environment, s3_server
from workers.tools import Tools

pytestmark = pytest.mark.timeout(patience())

LAMP = "The lamp of the lighthouse is green. It burns from dusk to dawn."
BELL = "The harbour bell rings twice at noon, and once in fog."
EMBEDDING_DIMENSION = 576
QUESTION = "What colour is the lamp of the lighthouse?"


class InProcess(Tools):
    """The tools of a worker, with an embedded vector engine in this process."""

    @cached_property
    def vectors(self) -> VectorStore:
        if self.settings.qdrant_url is not None:
            return super().vectors
        return EdgeVectorStore(self.settings.home / "vectors")


@dataclass(frozen=True)
class Servers:
    """Addresses of servers outside of Aegis, started for this module."""

    redis: str
    qdrant: str
    jina: str
    s3: S3Server
    ollama: str | None


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    stand_in = qdrantserver.QdrantServer(api_key="qdrant-key")
    with (
        server(tmp_path_factory.mktemp("redis")) as redis,
        qdrantserver.serving(stand_in),
        jinaserver.serving(jinaserver.Jina()) as jina,
        s3_server() as s3,
        environment({name: value for name, value in s3.environment.items() if name != "BLOB_URL"}),
        ollama_if_any() as ollama,
    ):
        address = f"redis://:{QUOTED}@127.0.0.1:{redis.port}/0"
        yield Servers(address, stand_in.url, jina.url, s3, ollama)


def roles_of(servers: Servers) -> dict[str, Mapping[str, object]]:
    jina = {"jina_base_url": servers.jina, "jina_api_key": jinaserver.KEY}
    qdrant = {"qdrant_url": servers.qdrant, "qdrant_api_key": "qdrant-key"}
    s3 = {"blob_url": servers.s3.url}
    ollama = {"ollama_url": servers.ollama, "ollama_model": CHAT, "generator_max_tokens": 32}
    embedding = {"embedder": "ollama", "embedding_model": EMBEDDING, "vector_size": EMBEDDING_DIMENSION}
    return {
        "none": {},
        "s3": s3,
        "redis": {"redis_url": servers.redis},
        "qdrant": qdrant,
        "jina": jina,
        "jina embeds": {**jina, "reranker": "bundled"},
        "jina reranks": {**jina, "embedder": "bundled"},
        "ollama": ollama,
        "ollama embeds": {**ollama, **embedding, "generator": "extractive"},
        "all": {**jina, **qdrant, **s3, "redis_url": servers.redis},
    }


@pytest.fixture
def tools(
    request: pytest.FixtureRequest,
    servers: Servers,
    valkey: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[InProcess]:
    """The tools of a worker whose settings differ from the embedded ones in one role."""
    record_bells(monkeypatch)
    if request.param.startswith("ollama") and servers.ollama is None:
        pytest.skip("no Ollama server can be built here")
    fields = {"redis_url": valkey, "aegis_home": tmp_path, **roles_of(servers)[request.param]}
    built = InProcess(Settings.model_validate(fields))
    with connect(built.settings) as client:
        client.flushall()
        declare_intact(client)
    app.import_tasks()
    app.toolbox = built
    yield built
    built.vectors.close()  # type: ignore[attr-defined]  # both stores have it
    built.parser.close()  # type: ignore[attr-defined]  # an isolated parser


ROLES = (
    "none", "redis", "qdrant", "s3", "jina", "jina embeds", "jina reranks", "ollama", "ollama embeds", "all"
)  # fmt: skip


@pytest.mark.parametrize("tools", ROLES, indirect=True)
def test_a_question_is_answered_from_the_right_document(tools: InProcess) -> None:
    desk = Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)
    collection = f"harbour-{uuid4().hex[:8]}"  # servers outlive a test
    for name, text in (("lamp", LAMP), ("bell", BELL)):
        job = desk.ingest(Ingestion(Text(text), collection, name)).job
        assert finished(tools, job.id).state is JobState.SUCCEEDED

    asked = desk.ask(Question(QUESTION, collection, top_k=5, top_n=2, where={})).job
    result = finished(tools, asked.id).result

    assert result is not None
    assert result["hits"][0]["document_id"] == "lamp"
    assert result["generator"] == tools.settings.answered_by
    if result["generator"] == "extractive":  # the small model that Ollama has here writes what it likes
        assert [citation["document_id"] for citation in result["citations"]] == ["lamp"]
        assert "green" in result["answer"]
