"""Calls to a server of Jina's schema that does what it should not."""

import os
import signal
import threading
from collections.abc import Iterator
from time import monotonic

import numpy as np
import pytest
import redis
import stamina

from rag.errors import ModelError, Overloaded, TimedOut, Unavailable
from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import RerankRequest
from rag.redis.rate_limiter import FAILURES, CircuitOpen
from rag.redis.token_usage import TokenUsage
from rag.settings import Settings
from tests.jinaserver import KEY, Jina, serving, tokens_of
from tests.system.running import until
from workers.embedding import jina as embedding
from workers.embedding.jina import JinaEmbedder
from workers.jina.batches import BatchLimits
from workers.jina.client import JinaClient, client
from workers.reranking.jina import JinaReranker, reranker

TEXTS = [
    f"Passage {word} tells of the harbour." for word in ("alpha", "beta", "gamma", "delta", "eps", "zeta")
]


@pytest.fixture
def server() -> Iterator[Jina]:
    with serving(Jina()) as started:
        yield started


@pytest.fixture
def settings(valkey: str, server: Jina) -> Settings:
    return Settings(redis_url=valkey, jina_base_url=server.url, jina_api_key=KEY)


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """Retries come at once; what the server asks for is waited for in any case."""
    with stamina.set_testing(True, attempts=4):
        yield


def embedder(settings: Settings, **changes: object) -> JinaEmbedder:
    changed = settings.model_copy(update=changes)
    return embedding.embedder(changed, changed.embedding_name, changed.dimension)


def ranked(made: JinaReranker, question: str, *texts: str, title: str = "") -> list[float]:
    candidates = tuple(
        Candidate(Hit(Passage(f"c{i}", "d", 1, i, text, title, 0, len(text)), 1.0))
        for i, text in enumerate(texts)
    )
    query = Embedding(np.ones(4, np.float32))
    return made.relevance([RerankRequest(question, query, candidates)])[0]


# --- what is sent


def test_passages_and_questions_have_task_adapters_of_their_own(server: Jina, settings: Settings) -> None:
    made = embedder(settings)
    made.embed_passages(TEXTS)
    made.embed_queries(["Where?"])
    passages, question = server.calls
    assert (passages["task"], question["task"]) == ("retrieval.passage", "retrieval.query")
    assert (passages["dimensions"], passages["truncate"]) == (1024, False)
    assert question["truncate"]


def test_vectors_have_as_many_dimensions_as_are_asked_for(server: Jina, settings: Settings) -> None:
    (vector,) = embedder(settings, vector_size=256).embed_passages(["short"])
    assert vector.dense.shape == (256,)


def test_texts_go_in_several_calls_at_once(server: Jina, settings: Settings) -> None:
    server.seconds = 0.2
    made = embedder(settings, jina_batch_texts=1, jina_concurrency=3)
    together = made.embed_passages(TEXTS)
    assert server.most_at_once == 3
    assert sorted(server.texts()) == sorted(TEXTS)
    whole = embedder(settings).embed_passages(TEXTS)
    assert all(np.allclose(a.dense, b.dense) for a, b in zip(together, whole, strict=True))


def test_late_chunking_has_a_document_in_one_call(server: Jina, settings: Settings) -> None:
    made = embedder(settings, jina_late_chunking=True)
    assert not made.independent
    made.embed_passages(TEXTS)
    made.embed_queries(["Where?"])
    passages, question = server.calls
    assert passages["input"] == TEXTS
    assert passages["late_chunking"]
    assert "late_chunking" not in question


def test_tokens_are_counted_by_model_and_purpose(
    server: Jina, settings: Settings, redis_client: redis.Redis
) -> None:
    embedder(settings).embed_passages(TEXTS)
    embedder(settings).embed_queries(["Where?"])
    ranked(reranker(settings), "Where?", "Here.")
    assert TokenUsage(redis_client).totals() == {
        ("jina-embeddings-v3", "passage"): sum(map(tokens_of, TEXTS)),
        ("jina-embeddings-v3", "query"): tokens_of("Where?"),
        ("jina-reranker-v2-base-multilingual", "rerank"): tokens_of("Where?") + tokens_of("Here."),
    }


def test_title_and_headings_are_read_with_a_passage(server: Jina, settings: Settings) -> None:
    (relevance,) = ranked(reranker(settings), "Which lighthouse?", "It is green.", title="Lighthouse")
    assert relevance > 0.9
    assert server.calls[0]["documents"] == ["Lighthouse\nIt is green."]


# --- sizes


@pytest.mark.parametrize("limit", [{"most_texts": 2}, {"most_tokens": 25}])
def test_a_call_that_is_too_large_is_halved(server: Jina, settings: Settings, limit: dict[str, int]) -> None:
    whole = embedder(settings).embed_passages(TEXTS)
    for name, value in limit.items():
        setattr(server, name, value)
    parts = embedder(settings).embed_passages(TEXTS)
    assert all(np.allclose(a.dense, b.dense) for a, b in zip(whole, parts, strict=True))
    assert ranked(reranker(settings), "gamma?", *TEXTS).index(0.98) == 2


def test_a_text_that_is_too_long_by_itself_says_so(server: Jina, settings: Settings) -> None:
    with pytest.raises(ModelError, match=r"8194 tokens.*lower CHUNK_TOKENS"):
        embedder(settings).embed_passages([TEXTS[0], "word " * 9_000])


def test_a_question_that_is_too_long_is_cut(server: Jina, settings: Settings) -> None:
    assert len(embedder(settings).embed_queries(["word " * 9_000])) == 1


# --- other servers of the schema


def test_a_server_without_base64_is_asked_for_floats(server: Jina, settings: Settings) -> None:
    made = embedder(settings)
    (quick,) = made.embed_passages(TEXTS[:1])
    server.takes_base64 = False
    (slow,) = made.embed_passages(TEXTS[:1])
    made.embed_passages(TEXTS[:1])
    assert np.allclose(quick.dense, slow.dense)
    assert [call["embedding_type"] for call in server.calls] == ["base64", "base64", "float", "float"]


def test_a_server_without_keys_needs_none(server: Jina, settings: Settings) -> None:
    server.key = None
    embedder(settings, jina_api_key=None).warm()


def test_logits_are_made_probabilities(server: Jina, settings: Settings) -> None:
    server.behaviours = ["logits"]
    best, worst = ranked(reranker(settings), "gamma harbour?", TEXTS[2], "Nothing.")
    assert 0 < worst < 0.1
    assert 0.9 < best < 1


# --- misbehaviour


@pytest.mark.parametrize("behaviour", ["500", "502", "503:0", "reset", "broken", "half", "nan", "429:0"])
def test_what_goes_wrong_once_is_tried_again(server: Jina, settings: Settings, behaviour: str) -> None:
    expected = embedder(settings).embed_passages(TEXTS)
    server.behaviours = [behaviour]
    found = embedder(settings).embed_passages(TEXTS)
    assert all(np.allclose(a.dense, b.dense) for a, b in zip(expected, found, strict=True))
    assert len(server.calls) == 3

    server.behaviours = [behaviour]
    assert max(ranked(reranker(settings), "gamma?", *TEXTS)) > 0.9


@pytest.mark.parametrize(
    ("behaviour", "error", "words"),
    [
        ("500", Unavailable, "the server failed"),
        ("reset", Unavailable, "127.0.0.1"),
        ("broken", ModelError, "something other than Jina's schema"),
        ("half", ModelError, "3 vectors for 6 texts"),
        ("nan", ModelError, "NaN"),
    ],
)
def test_what_goes_wrong_again_and_again_is_an_error_that_says_what(
    server: Jina, settings: Settings, behaviour: str, error: type[Exception], words: str
) -> None:
    server.behaviours = [behaviour] * 4
    with pytest.raises(error, match=words):
        embedder(settings).embed_passages(TEXTS)
    assert len(server.calls) == 4


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("401", "JINA_API_KEY"),
        ("402", "balance"),
        ("403", "balance"),
        ("404", "JINA_BASE_URL"),
        ("dimension", "VECTOR_SIZE"),
        ("422", "does not suit"),
    ],
)
def test_what_somebody_has_to_change_is_not_tried_again(
    server: Jina, settings: Settings, behaviour: str, words: str
) -> None:
    server.behaviours = [behaviour] * 4
    with pytest.raises(ModelError, match=words):
        embedder(settings).embed_passages(TEXTS)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"embedding_model": "jina-embeddings-v99"}, "v99.*not found"),
        ({"vector_size": 2048}, "less than or equal to 1024"),
        ({"embedding_model": "jina-embeddings-v2-base-en"}, "at most 768"),
    ],
)
def test_a_wrong_model_or_size_is_found_out_at_the_start(
    server: Jina, settings: Settings, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        embedder(settings, **changes).warm()


def test_a_server_that_is_away_at_the_start_is_waited_for(server: Jina, settings: Settings) -> None:
    server.behaviours = ["503"] * 3
    embedder(settings).warm()
    server.behaviours = ["429:0"] * 2
    reranker(settings).warm()


def test_a_server_that_is_too_slow_is_not_waited_for(server: Jina, settings: Settings) -> None:
    server.behaviours = ["slow"] * 4
    began = monotonic()
    with pytest.raises(TimedOut):
        embedder(settings, jina_timeout=0.3).embed_queries(["Where?"])
    assert monotonic() - began < 5
    assert len(server.calls) == 1, "somebody waits: the job is tried again, not the call"


def test_as_long_as_the_server_asks_for_is_waited(server: Jina, settings: Settings) -> None:
    made = embedder(settings)
    made.embed_queries(["first"])
    server.behaviours = ["429:1"]
    began = monotonic()
    made.embed_queries(["Where?"])
    assert monotonic() - began >= 1


def test_longer_than_somebody_waits_is_left_to_the_queue(server: Jina, settings: Settings) -> None:
    server.behaviours = ["429:120"]
    with pytest.raises(Overloaded) as caught:
        embedder(settings).embed_queries(["Where?"])
    assert 110 < (caught.value.retry_after or 0) <= 120
    assert len(server.calls) == 1


def test_a_server_that_stays_broken_is_left_alone(server: Jina, settings: Settings) -> None:
    made = embedder(settings)
    server.behaviours = ["500"] * FAILURES
    for _ in range(2):
        with pytest.raises(Unavailable):
            made.embed_queries(["Where?"])
    assert len(server.calls) == FAILURES

    with pytest.raises(CircuitOpen):
        ranked(reranker(settings), "Where?", "Here.")

    assert len(server.calls) == FAILURES, "nobody called it any more"


# --- processes


def test_a_forked_child_has_connections_of_its_own(server: Jina, settings: Settings) -> None:
    made = embedder(settings)
    made.warm()
    child = os.fork()
    if child == 0:
        worked = False
        try:
            worked = len(made.embed_passages(TEXTS)) == len(TEXTS)
        finally:
            os._exit(0 if worked else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(made.embed_passages(TEXTS)) == len(TEXTS)


class DrainedError(Exception): ...


def test_an_interrupted_caller_leaves_no_call_behind(server: Jina, settings: Settings) -> None:
    def interrupt(*_: object) -> None:
        raise DrainedError

    server.behaviours = ["slow"] * 6
    before = signal.signal(signal.SIGUSR2, interrupt)

    def tell() -> None:
        """By a signal that another thread gets, as one does that comes just as the caller begins to wait."""
        until(lambda: server.at_once > 0)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR2)

    hung = threading.Thread(target=tell)
    hung.start()
    began = monotonic()
    try:
        with pytest.raises(DrainedError):
            embedder(settings, jina_batch_texts=1).embed_passages(TEXTS)
    finally:
        signal.signal(signal.SIGUSR2, before)
        hung.join()
    assert monotonic() - began < 10
    assert len(server.calls) <= 4


def test_one_client_serves_many_threads(server: Jina, settings: Settings) -> None:
    made: JinaClient = client(settings)
    one = JinaEmbedder(made, "jina-embeddings-v3", 64, BatchLimits(8000, 64), late_chunking=False)
    other = JinaReranker(made, "jina-reranker-v2-base-multilingual", BatchLimits(8000, 64))
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(len(one.embed_queries(["Where?"])))) for _ in range(8)
    ]
    threads.append(threading.Thread(target=lambda: results.append(len(ranked(other, "Where?", "Here.")))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 9
