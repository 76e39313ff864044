"""What a cached embedder asks its model for, and what it knows again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from rag.model import CacheFigures, CacheKind, Embedding
from workers.embedding.cached import CachedEmbedder


@dataclass
class Kept:
    """A cache without bounds."""

    values: dict[str, bytes] = field(default_factory=dict)

    def get(self, kind: CacheKind, keys: Sequence[str]) -> dict[str, bytes]:
        assert kind is CacheKind.EMBEDDINGS
        return {key: self.values[key] for key in keys if key in self.values}

    def put(self, kind: CacheKind, values: Mapping[str, bytes]) -> None:
        assert kind is CacheKind.EMBEDDINGS
        self.values |= values

    def clear(self) -> None:
        self.values.clear()

    def figures(self) -> CacheFigures:
        raise NotImplementedError


@dataclass
class Letters:
    """A model whose vectors tell the text, the use and, unless ``independent``, the place in the call."""

    name: str = "letters"
    dimension: int = 3
    recipe: str = "1"
    independent: bool = True
    max_tokens: int = 100
    token_dimension: int | None = 2
    asked: list[list[str]] = field(default_factory=list)

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedded(texts, 1.0, None)

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedded(texts, 2.0, np.array([0.1], np.float32))

    def vote(self, question: str) -> float:
        return 1.0

    def warm(self) -> None:
        self.asked.append([])

    def _embedded(self, texts: Sequence[str], use: float, weights: np.ndarray | None) -> list[Embedding]:
        self.asked.append(list(texts))
        tokens = np.array([[0.1, -3.3]], np.float16)
        places = [0 if self.independent else place for place in range(len(texts))]
        return [
            Embedding(np.array([len(text) / 3, use, place], np.float32), tokens, weights)
            for text, place in zip(texts, places, strict=True)
        ]


def same(left: Sequence[Embedding], right: Sequence[Embedding]) -> bool:
    """Bit by bit."""
    arrays = [[(e.dense, e.tokens, e.weights) for e in each] for each in (left, right)]
    return all(
        (a is None and b is None)
        or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
        for ours, theirs in zip(*arrays, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    )


@pytest.fixture
def cache() -> Kept:
    return Kept()


def test_what_is_known_reaches_no_model_and_is_the_same_bit_by_bit(cache: Kept) -> None:
    model = Letters()
    texts = ["one", "three", "", "\ud800 alone"]
    first = CachedEmbedder(model, cache).embed_passages(texts)

    again = CachedEmbedder(model, cache).embed_passages(texts)

    assert model.asked == [texts]
    assert same(first, again)
    assert same(first, Letters().embed_passages(texts))


def test_only_what_is_missing_is_asked_for_in_one_call_in_order(cache: Kept) -> None:
    model = Letters()
    embedder = CachedEmbedder(model, cache)
    embedder.embed_passages(["b", "dddd"])

    found = embedder.embed_passages(["a", "b", "ccc", "dddd", "ee"])

    assert model.asked[1:] == [["a", "ccc", "ee"]]
    assert same(found, Letters().embed_passages(["a", "b", "ccc", "dddd", "ee"]))


def test_a_text_that_comes_twice_is_embedded_once(cache: Kept) -> None:
    model = Letters()

    found = CachedEmbedder(model, cache).embed_passages(["aa", "b", "aa"])

    assert model.asked == [["aa", "b"]]
    assert same(found, Letters().embed_passages(["aa", "b", "aa"]))


def test_a_question_is_no_passage(cache: Kept) -> None:
    model = Letters()
    embedder = CachedEmbedder(model, cache)
    embedder.embed_passages(["text"])

    first, again = embedder.embed_queries(["text"]), embedder.embed_queries(["text"])

    assert model.asked == [["text"], ["text"]]
    assert same(first, Letters().embed_queries(["text"]))
    assert same(first, again)


@pytest.mark.parametrize(
    "other",
    [Letters(name="others"), Letters(dimension=4), Letters(recipe="2"), Letters(independent=False)],
    ids=["name", "dimension", "recipe", "independent"],
)
def test_another_model_shares_nothing(cache: Kept, other: Letters) -> None:
    CachedEmbedder(Letters(), cache).embed_passages(["text"])
    other.asked.clear()

    CachedEmbedder(other, cache).embed_passages(["text"])

    assert other.asked == [["text"]]


def test_passages_that_know_of_each_other_are_known_again_as_a_whole(cache: Kept) -> None:
    model = Letters(independent=False)
    embedder = CachedEmbedder(model, cache)
    first = embedder.embed_passages(["a", "b", "a"])

    again, other = embedder.embed_passages(["a", "b", "a"]), embedder.embed_passages(["a", "b"])

    assert model.asked == [["a", "b", "a"], ["a", "b"]]
    assert same(first, again)
    assert same(other, first[:2])


def test_where_texts_end_matters(cache: Kept) -> None:
    model = Letters(independent=False)
    embedder = CachedEmbedder(model, cache)

    embedder.embed_passages(["ab", "c"])
    embedder.embed_passages(["a", "bc"])

    assert len(model.asked) == 2


def test_damaged_bytes_are_made_again(cache: Kept) -> None:
    model = Letters()
    embedder = CachedEmbedder(model, cache)
    embedder.embed_passages(["text"])
    cache.values = {key: value[:-3] for key, value in cache.values.items()}

    found = embedder.embed_passages(["text"])

    assert model.asked == [["text"], ["text"]]
    assert same(found, Letters().embed_passages(["text"]))


def test_everything_else_is_the_model_s_own(cache: Kept) -> None:
    model = Letters()
    embedder = CachedEmbedder(model, cache)

    embedder.warm()

    assert model.asked == [[]]
    told = (embedder.name, embedder.dimension, embedder.recipe, embedder.max_tokens, embedder.token_dimension)
    assert told == ("letters", 3, "1", 100, 2)


def test_a_tenant_knows_nothing_of_what_another_had_embedded() -> None:
    model, cache = Letters(), Kept()
    ann, bob = (CachedEmbedder(model, cache, name) for name in ("key ann", "key bob"))

    ann.embed_passages(["a secret"])
    ann.embed_passages(["a secret"])
    bob.embed_passages(["a secret"])

    assert model.asked == [["a secret"], ["a secret"]]
