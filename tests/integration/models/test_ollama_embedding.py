"""Ollama's embedder on servers that follow a script."""

from collections.abc import Iterator

import numpy as np
import pytest

from rag.errors import ModelError
from tests.integration.modelserver import Answer, Script, status
from tests.integration.ollamascript import NOBODY, refused, replica, two_servers, vectors
from workers.embedding.ollama import OllamaEmbedder


@pytest.fixture
def scripts() -> Iterator[list[Script]]:
    with two_servers() as servers:
        yield servers


@pytest.fixture
def one(scripts: list[Script]) -> Script:
    return scripts[0]


def test_vectors_have_unit_length_and_come_in_order(one: Script) -> None:
    one.answers.append(vectors([3.0, 4.0], [0.0, 2.0]))

    first, second = OllamaEmbedder([replica(one.url)], 2).embed_passages(["a", " "])

    assert first.dense.tolist() == pytest.approx([0.6, 0.8])
    assert second.dense.tolist() == [0.0, 1.0]
    assert first.dense.dtype == np.float32
    body = one.bodies[0]
    assert (body["input"], body["dimensions"], body["truncate"]) == (["a", "."], 2, False)


def test_many_texts_go_in_several_calls(one: Script) -> None:
    one.answers += [vectors(*[[1.0, 0.0]] * 16), vectors(*[[0.0, 1.0]] * 4)]

    embeddings = OllamaEmbedder([replica(one.url)], 2).embed_passages(["text"] * 20)

    assert [embedding.dense[1] for embedding in embeddings] == [0.0] * 16 + [1.0] * 4


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (vectors([1.0, 0.0, 0.0]), "VECTOR_SIZE"),
        (vectors(), "0 vectors for 1 texts"),
        (vectors([0.0, 0.0]), "zeros"),
        (refused(400, "the input length exceeds the context length"), "CHUNK_TOKENS"),
        (status(200, b"{}"), "EmbedResponse"),
    ],
)
def test_unusable_answers_say_what_to_do(one: Script, answer: Answer, told: str) -> None:
    one.answers.append(answer)

    with pytest.raises(ModelError, match=told):
        OllamaEmbedder([replica(one.url)], 2).embed_passages(["a"])


def test_a_replica_that_fails_is_stood_in_for(scripts: list[Script]) -> None:
    scripts[0].answers.append(refused(404, "model 'tiny' not found"))
    scripts[1].answers += [vectors([1.0, 0.0])] * 2
    embedder = OllamaEmbedder([replica(NOBODY), *(replica(script.url) for script in scripts)], 2)

    assert len(embedder.embed_queries(["a"])) == 1


def test_warm_tells_of_a_model_with_too_few_dimensions(one: Script) -> None:
    one.answers += [vectors([1.0])] * 2

    with pytest.raises(ModelError, match=r"1 dimensions, not 2.*VECTOR_SIZE"):
        OllamaEmbedder([replica(one.url)], 2).warm()
