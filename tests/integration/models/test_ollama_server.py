"""Generation and embedding by a real Ollama server with a small model."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
import redis
from pydantic import SecretStr

from rag.errors import AegisError, ModelError
from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import GenerationRequest
from rag.redis.slots import Slots
from rag.settings import Settings
from tests.ollamabuild import patience
from tests.ollamaserver import CHAT, EMBEDDING, EMBEDDING_CONTEXT, OllamaServer, ollama_server
from tests.system.running import until
from workers.embedding import embedder_for
from workers.generation import generator_for

pytestmark = pytest.mark.timeout(patience())

TEXT = "The Eiffel Tower was completed in 1889."
DIMENSIONS = 576
TOKENS = 24


@pytest.fixture(scope="module")
def server() -> Iterator[OllamaServer]:
    with ollama_server() as started:
        yield started


def settings(valkey: str, *servers: OllamaServer, **others: object) -> Settings:
    return Settings(
        redis_url=SecretStr(valkey),
        ollama_url=",".join(server.url for server in servers),
        **{
            "ollama_model": CHAT,
            "ollama_keep_alive": "2h",
            "ollama_max_context": 1024,
            "generator_max_tokens": TOKENS,
            "generator_context_tokens": 300,
            **others,
        },
    )


def request(
    emit: Callable[[str], None] = lambda piece: None, cancelled: Callable[[], bool] = lambda: False
) -> GenerationRequest:
    hit = Hit(Passage("c", "d", 1, 0, TEXT, "Tower", 0, len(TEXT)), 0.9)
    query = Embedding(np.zeros(4, np.float32))
    return GenerationRequest("When was it completed?", query, (Candidate(hit),), emit, cancelled)


def test_an_answer_comes_in_pieces_from_a_model_that_stays_loaded(valkey: str, server: OllamaServer) -> None:
    pieces: list[str] = []
    generator = generator_for(settings(valkey, server))
    generator.warm()

    answer = generator.answer(request(pieces.append))

    assert answer.text == "".join(pieces)
    assert len(pieces) > 1
    assert answer.reasoning == ""
    loaded = server.loaded()[CHAT]
    assert loaded["context_length"] == 1024
    assert 3600 < seconds_left(loaded["expires_at"]) <= 7200
    assert answer == generator_for(settings(valkey, server)).answer(request())
    assert server.loads() == 1


def test_cancelling_stops_the_server_and_frees_the_slot(
    valkey: str, redis_client: redis.Redis, server: OllamaServer
) -> None:
    generator = generator_for(settings(valkey, server, generator_max_tokens=256))
    first = threading.Event()
    asked: list[float] = []
    writing: list[bool] = []

    def emit(piece: str) -> None:
        if not first.is_set():
            writing.append(not server.idle())
            first.set()

    def cancelled() -> bool:
        if first.is_set():
            asked.append(time.monotonic())
        return first.is_set()

    generator.answer(request(emit, cancelled))

    assert time.monotonic() - asked[0] < 1.0
    assert slots_held(redis_client) == 0
    assert writing == [True]
    until(server.idle, seconds=2)


def test_a_missing_model_says_what_to_do(valkey: str, server: OllamaServer) -> None:
    with pytest.raises(ModelError, match=f"has {CHAT}.*not nowhere: .*OLLAMA_PULL"):
        generator_for(settings(valkey, server, ollama_model="nowhere")).warm()
    with pytest.raises(ModelError, match="not found"):
        generator_for(settings(valkey, server, ollama_model="nowhere")).answer(request())


def test_a_pull_without_a_way_to_the_registry(valkey: str, server: OllamaServer) -> None:
    unreachable = settings(valkey, server, ollama_model="127.0.0.1:1/library/nothing", ollama_pull=True)

    with pytest.raises(AegisError, match=r"127\.0\.0\.1:1.*refused"):
        generator_for(unreachable).warm()


def test_a_replica_killed_before_the_first_word_is_ridden_out(
    valkey: str, redis_client: redis.Redis, server: OllamaServer
) -> None:
    pieces: list[str] = []
    with ollama_server() as doomed:
        generator_for(settings(valkey, doomed)).warm()
        Slots(redis_client, [server.url], 9).take("another worker, so that the other one is asked first")

        with ThreadPoolExecutor(1) as pool:
            answering = pool.submit(
                generator_for(settings(valkey, doomed, server)).answer, request(pieces.append)
            )
            until(lambda: slots_held(redis_client) == 2)
            doomed.kill()
            answer = answering.result(60)

    assert answer.text == "".join(pieces) != ""
    assert slots_held(redis_client) == 1


def test_embeddings(valkey: str, server: OllamaServer) -> None:
    made = settings(valkey, server, embedder="ollama", embedding_model=EMBEDDING, vector_size=DIMENSIONS)
    embedder = embedder_for(made, made.embedding_name, made.dimension)
    embedder.warm()

    alone, *others = embedder.embed_passages([TEXT, "", "\ud800", "🙂\x00"])

    assert embedder.name == f"ollama:{EMBEDDING}"
    for embedding in (alone, *others):
        assert embedding.dense.shape == (DIMENSIONS,)
        assert embedding.tokens is None
        assert np.linalg.norm(embedding.dense) == pytest.approx(1, abs=1e-4)
    (query,) = embedder.embed_queries([TEXT])
    assert float(query.dense @ alone.dense) == pytest.approx(1, abs=1e-3)
    assert float(query.dense @ others[0].dense) < 0.99


def test_a_passage_too_long_is_told_and_a_question_cut(valkey: str, server: OllamaServer) -> None:
    made = settings(valkey, server, embedder="ollama", embedding_model=EMBEDDING, vector_size=64)
    embedder = embedder_for(made, made.embedding_name, made.dimension)
    long = "word " * (EMBEDDING_CONTEXT + 50)

    with pytest.raises(ModelError, match="CHUNK_TOKENS"):
        embedder.embed_passages([long])
    assert embedder.embed_queries([long])[0].dense.shape == (64,)


def test_more_dimensions_than_the_model_has(valkey: str, server: OllamaServer) -> None:
    made = settings(valkey, server, embedder="ollama", embedding_model=EMBEDDING, vector_size=1024)

    with pytest.raises(ModelError, match=f"{DIMENSIONS} dimensions, not 1024: set VECTOR_SIZE"):
        embedder_for(made, made.embedding_name, made.dimension).warm()


def slots_held(client: redis.Redis) -> int:
    return sum(client.zcard(key) for key in client.keys("{aegis}:slots:*"))


def seconds_left(expires_at: object) -> float:
    return (datetime.fromisoformat(str(expires_at)) - datetime.now(UTC)).total_seconds()
