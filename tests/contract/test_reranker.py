"""The ``Reranker`` port, over every backend that runs here, with and without stored vectors."""

from collections.abc import Iterator

import pytest

from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import Reranker, RerankRequest
from rag.settings import Settings
from tests.jinaserver import KEY, Jina, serving, vector_of
from workers.embedding.bundled import BundledEmbedder
from workers.reranking import reranker_for, unrelated_below
from workers.setup import build_models

TEXTS = (
    "Interest rates rose by a quarter of a point in March.",
    "A cat sleeps on the sofa.",
    "Backups are kept for thirty days, then removed.",
)
QUESTION = "How long are backups kept?"
BEST = 2


@pytest.fixture(scope="module")
def bundled_embedder() -> BundledEmbedder:
    settings = Settings()
    build_models(settings, settings.model_dir, lambda _: None)
    return BundledEmbedder(settings.model_dir)


@pytest.fixture(
    scope="module",
    params=[
        "bundled",
        "bundled, nothing stored",
        "late-interaction",
        "late-interaction, nothing stored",
        "jina",
    ],
)
def settings(request: pytest.FixtureRequest, valkey_server: str) -> Iterator[Settings]:
    with serving(Jina()) as server:
        reranker = request.param.partition(",")[0]
        embedder = "bundled" if request.param in ("bundled", "late-interaction") else "jina"
        yield Settings(
            redis_url=valkey_server,
            jina_base_url=server.url,
            jina_api_key=KEY,
            embedder=embedder,
            reranker=reranker,
        )


@pytest.fixture(scope="module")
def reranker(settings: Settings) -> Reranker:
    return reranker_for(settings)


@pytest.fixture
def foreign(settings: Settings) -> bool:
    """Whether the collection's vectors are another model's."""
    return settings.embedded_by != "bundled"


def asked(
    embedder: BundledEmbedder, foreign: bool, question: str = QUESTION, texts: tuple[str, ...] = TEXTS
) -> RerankRequest:
    """As a search leaves it, in an order that says nothing."""
    passages = [
        Passage(f"c{i}", "d", 1, i, text, "Title", 0, len(text), headings=("Title", "Part"))
        for i, text in enumerate(texts)
    ]
    if foreign:
        query = Embedding(vector_of(question or ".", 1024))
        return RerankRequest(question, query, tuple(Candidate(Hit(p, 1.0)) for p in passages))
    made = embedder.embed_passages(texts)
    candidates = (Candidate(Hit(p, 1.0), e.dense, e.tokens) for p, e in zip(passages, made, strict=True))
    return RerankRequest(question, embedder.embed_queries([question])[0], tuple(candidates))


def test_warms(reranker: Reranker) -> None:
    reranker.warm()


def test_the_passage_that_answers_is_the_most_relevant(
    reranker: Reranker, bundled_embedder: BundledEmbedder, foreign: bool, settings: Settings
) -> None:
    (relevance,) = reranker.relevance([asked(bundled_embedder, foreign)])
    assert all(0 <= score <= 1 for score in relevance)
    assert relevance.index(max(relevance)) == BEST
    assert relevance[BEST] > unrelated_below(settings) > max(relevance[:BEST])


def test_several_requests_are_answered_in_order_and_each_by_itself(
    reranker: Reranker, bundled_embedder: BundledEmbedder, foreign: bool
) -> None:
    requests = [
        asked(bundled_embedder, foreign, question)
        for question in (QUESTION, "Where does the cat sleep?", "What happened to interest rates in March?")
    ]
    together = reranker.relevance(requests)
    assert [scores.index(max(scores)) for scores in together] == [2, 1, 0]
    for request, scores in zip(requests, together, strict=True):
        assert reranker.relevance([request])[0] == pytest.approx(scores, abs=1e-6)


def test_nothing_to_weigh_is_no_error(
    reranker: Reranker, bundled_embedder: BundledEmbedder, foreign: bool
) -> None:
    assert reranker.relevance([]) == []
    assert reranker.relevance([asked(bundled_embedder, foreign, texts=())]) == [[]]


@pytest.mark.parametrize("odd", ["", " \n", "\ud800", "🙂" * 50, "a" * 3_000])
def test_odd_text_is_weighed(
    reranker: Reranker, bundled_embedder: BundledEmbedder, foreign: bool, odd: str
) -> None:
    (relevance,) = reranker.relevance([asked(bundled_embedder, foreign, odd, (odd, "A cat."))])
    assert len(relevance) == 2
    assert all(0 <= score <= 1 for score in relevance)
