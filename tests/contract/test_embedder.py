"""The ``Embedder`` port, over every backend that runs here."""

import os
from collections.abc import Iterator

import numpy as np
import pytest

from rag.errors import ModelError
from rag.model import Embedding
from rag.ports import Embedder
from rag.settings import Settings
from rag.settings.derived import MULTILINGUAL_EMBEDDING
from tests.jinaserver import KEY, Jina, serving
from workers.embedding import embedder_for, jina
from workers.embedding.build import build
from workers.embedding.bundled import BundledEmbedder
from workers.setup import build_models

TEXTS = [
    "A cat sleeps on the sofa.",
    "Interest rates rose by a quarter of a point in March.",
    "def add(a, b):\n    return a + b",
    "日本語の文章です。",
    "word " * 2_000,
]


@pytest.fixture(scope="module", params=["bundled", "multilingual", "jina", "jina, late chunking"])
def embedder(request: pytest.FixtureRequest, valkey_server: str) -> Iterator[Embedder]:
    if request.param == "bundled":
        model_dir = Settings().model_dir
        build(model_dir, lambda _: None)
        yield BundledEmbedder(model_dir)
        return
    if request.param == "multilingual":
        yield multilingual_embedder()
        return
    late = "late" in request.param
    with serving(Jina()) as server:
        settings = Settings(
            redis_url=valkey_server, jina_base_url=server.url, jina_api_key=KEY, jina_late_chunking=late
        )
        yield jina.embedder(settings, settings.embedding_name, settings.dimension)


def multilingual_embedder() -> Embedder:
    settings = Settings(embedding_model=MULTILINGUAL_EMBEDDING)
    try:
        build_models(settings, settings.model_dir, lambda _: None)
    except ModelError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the multilingual model cannot be built here: {error}")
    return embedder_for(settings, settings.embedding_name, settings.dimension)


def assert_well_formed(embedder: Embedder, embedding: Embedding) -> None:
    assert embedding.dense.shape == (embedder.dimension,)
    assert embedding.dense.dtype == np.float32
    assert np.linalg.norm(embedding.dense) == pytest.approx(1, abs=1e-4)
    assert (embedding.tokens is None) == (embedder.token_dimension is None)
    if embedding.tokens is not None:
        assert embedding.tokens.shape[1] == embedder.token_dimension
        assert len(embedding.tokens) <= embedder.max_tokens
        assert embedding.tokens.dtype == np.float16
        assert np.linalg.norm(embedding.tokens.astype(np.float32), axis=1) == pytest.approx(1, abs=2e-3)


def test_warms(embedder: Embedder) -> None:
    embedder.warm()


def test_passages_are_well_formed_and_in_order(embedder: Embedder) -> None:
    together = embedder.embed_passages(TEXTS)
    assert len(together) == len(TEXTS)
    for text, embedding in zip(TEXTS, together, strict=True):
        assert_well_formed(embedder, embedding)
        assert embedding.weights is None
        # whether the vector depends on the texts it was sent with is as the embedder says
        alone = embedder.embed_passages([text])[0].dense
        assert np.allclose(alone, embedding.dense, atol=1e-6) == embedder.independent


def test_no_passages_give_none(embedder: Embedder) -> None:
    assert embedder.embed_passages([]) == []


@pytest.mark.parametrize("question", ["Where does the cat sleep?", "猫はどこ?", "x " * 3_000])
def test_a_query_has_weights_where_it_has_tokens(embedder: Embedder, question: str) -> None:
    (query,) = embedder.embed_queries([question])
    assert_well_formed(embedder, query)
    assert (query.weights is None) == (query.tokens is None)
    if query.tokens is not None and query.weights is not None:
        assert query.weights.shape == (len(query.tokens),)
        assert query.weights.dtype == np.float32
        assert (query.weights > 0).all()


def test_a_question_is_nearest_to_what_answers_it(embedder: Embedder) -> None:
    query = embedder.embed_queries(["Where is the cat sleeping?"])[0].dense
    cosines = [float(query @ e.dense) for e in embedder.embed_passages(TEXTS)]
    assert cosines.index(max(cosines)) == 0


@pytest.mark.parametrize("text", ["", " \n\t", "\ud800", "\x00", "🙂" * 500, "a" * 5_000])
def test_odd_text_is_embedded(embedder: Embedder, text: str) -> None:
    assert_well_formed(embedder, embedder.embed_passages([text])[0])
    assert_well_formed(embedder, embedder.embed_queries([text])[0])


def test_questions_do_not_depend_on_each_other(embedder: Embedder) -> None:
    together = embedder.embed_queries(TEXTS)
    for text, embedding in zip(TEXTS, together, strict=True):
        assert np.allclose(embedder.embed_queries([text])[0].dense, embedding.dense, atol=1e-6)
