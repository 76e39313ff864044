from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import RerankRequest
from workers.embedding.bundled import BundledEmbedder
from workers.reranking.late_interaction import LateInteraction, LateInteractionReranker

AXES = np.eye(64, dtype=np.float16)


def unit(angle: float) -> np.ndarray:
    """A unit vector at ``angle`` from the first of 384 axes."""
    vector = np.zeros(384, dtype=np.float32)
    vector[:2] = np.cos(angle), np.sin(angle)
    return vector


def candidate(
    text: str = "", *, angle: float = 1.0, axes: slice = slice(40, 44), title: str = ""
) -> Candidate:
    passage = Passage("c", "d", 1, 0, text, title, 0, len(text))
    return Candidate(Hit(passage, 3.0), unit(angle), AXES[axes])


QUESTION = "steam engine"
QUERY = Embedding(unit(0.0), AXES[:2], np.array([1.0, 1.0], dtype=np.float32))


def reranker() -> LateInteractionReranker:
    """One that may embed nothing."""

    def no_embedder() -> BundledEmbedder:
        raise AssertionError("every vector is there")

    return LateInteractionReranker(LateInteraction(no_embedder, stored=True))


def relevance(*candidates: Candidate, query: Embedding = QUERY) -> list[float]:
    return reranker().relevance([RerankRequest(QUESTION, query, candidates)])[0]


def test_every_feature_raises_relevance() -> None:
    # given a candidate with nothing in common, and one with each feature alone
    plain, close, tokens, words, title = relevance(
        candidate(angle=1.5),
        candidate(angle=0.2),
        candidate(angle=1.5, axes=slice(0, 4)),
        candidate("A steam engine.", angle=1.5),
        candidate(angle=1.5, title="Steam engine"),
    )
    # then each is more relevant than none
    assert plain < min(close, tokens, words)
    assert title == pytest.approx(words)


def test_alike_is_near_one_and_unlike_near_zero() -> None:
    alike, unlike = relevance(candidate("Steam engine", angle=0.0, axes=slice(0, 2)), candidate(angle=1.5))
    assert alike > 0.95
    assert 0 <= unlike < 0.05


def test_relevance_depends_on_the_candidate_alone() -> None:
    # given one candidate with different retrieval scores and in different company
    one = candidate("A steam engine.", angle=0.3)
    alone = relevance(one)[0]
    # then its relevance is the same
    assert relevance(candidate(), replace(one, hit=replace(one.hit, score=99.0)))[1] == pytest.approx(alone)


def test_heavier_tokens_count_more() -> None:
    # given a passage that has the question's first token only
    passage = candidate(axes=slice(0, 1))
    heavy, light = (replace(QUERY, weights=np.array(w, dtype=np.float32)) for w in ([3, 1], [1, 3]))
    # then it is more relevant when that token weighs more
    assert relevance(passage, query=heavy) > relevance(passage, query=light)


def test_empty_texts_are_not_relevant_and_no_error() -> None:
    empty = np.zeros((0, 64), dtype=np.float16)
    silent = Embedding(unit(0.0), empty, np.zeros(0, dtype=np.float32))
    assert reranker().relevance([RerankRequest("", silent, (candidate(),))])[0][0] < 0.05
    assert relevance(replace(candidate(), tokens=empty))[0] < 0.05
    assert relevance() == []


class Embedder(BundledEmbedder):
    """Sees the first word of a text alone, and what it was asked for."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.passages: list[str] = []
        self.questions: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        self.passages += texts
        return [self._seen(text) for text in texts]

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        self.questions += texts
        return [self._seen(text) for text in texts]

    def vote(self, question: str) -> float:
        return 1.0

    def _seen(self, text: str) -> Embedding:
        steam = text.startswith("steam")
        return Embedding(unit(0.0 if steam else 1.5), AXES[:2] if steam else AXES[40:44])


def reranking(embedder: Embedder, *, stored: bool) -> LateInteractionReranker:
    return LateInteractionReranker(LateInteraction(lambda: embedder, stored=stored))


FOREIGN = Embedding(np.ones(1024, dtype=np.float32))


def foreign(text: str) -> Candidate:
    return replace(candidate(text), dense=FOREIGN.dense, tokens=None)


def test_what_another_model_embedded_is_embedded_here_once_for_all_requests() -> None:
    # given two requests that share a passage, from a collection of another model
    embedder = Embedder()
    shared, other = foreign("steam for all"), foreign("a cat")
    requests = [
        RerankRequest("steam engine", FOREIGN, (shared, other)),
        RerankRequest("steam engine", FOREIGN, (shared,)),
    ]
    # when they are weighed
    (first, second), (again,) = reranking(embedder, stored=False).relevance(requests)
    # then each text was embedded once, and the passages are told apart
    assert embedder.questions == ["steam engine"]
    assert embedder.passages == ["steam for all", "a cat"]
    assert first == again > 0.9
    assert second < 0.1


def test_only_what_lacks_vectors_is_embedded() -> None:
    # given a question of the bundled model, and one passage of two without its vectors
    embedder = Embedder()
    stored, bare = candidate("kept", angle=0.0, axes=slice(0, 2)), replace(candidate("steam"), tokens=None)
    # when they are weighed
    request = RerankRequest(QUESTION, QUERY, (stored, bare))
    ((first, second),) = reranking(embedder, stored=True).relevance([request])
    # then only that one was embedded
    assert (embedder.questions, embedder.passages) == ([], ["steam"])
    assert min(first, second) > 0.9


def test_fewer_candidates_are_wanted_where_each_has_to_be_embedded() -> None:
    stored, live = reranking(Embedder(), stored=True), reranking(Embedder(), stored=False)
    assert stored.reads_vectors
    assert not live.reads_vectors
    assert live.least_candidates < stored.least_candidates
