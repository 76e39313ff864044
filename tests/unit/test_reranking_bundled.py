from dataclasses import replace

import numpy as np
import pytest

from rag.errors import ModelError
from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import RerankRequest
from workers.reranking.bundled import BundledReranker

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


def relevance(*candidates: Candidate, query: Embedding = QUERY) -> list[float]:
    return BundledReranker().relevance([RerankRequest(QUESTION, query, candidates)])[0]


def test_every_feature_raises_relevance() -> None:
    # given a candidate with nothing in common, and one with each feature alone
    plain, close, tokens, words, title = relevance(
        candidate(angle=1.5),
        candidate(angle=0.2),
        candidate(angle=1.5, axes=slice(0, 4)),
        candidate("A steam engine.", angle=1.5),
        candidate(angle=1.5, title="Steam engines"),
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
    assert relevance(candidate(), replace(one, hit=replace(one.hit, score=99.0)))[1] == alone


def test_heavier_tokens_count_more() -> None:
    # given a passage that has the question's first token only
    passage = candidate(axes=slice(0, 1))
    heavy, light = (replace(QUERY, weights=np.array(w, dtype=np.float32)) for w in ([3, 1], [1, 3]))
    # then it is more relevant when that token weighs more
    assert relevance(passage, query=heavy) > relevance(passage, query=light)


def test_empty_texts_are_not_relevant_and_no_error() -> None:
    empty = np.zeros((0, 64), dtype=np.float16)
    silent = Embedding(unit(0.0), empty, np.zeros(0, dtype=np.float32))
    assert BundledReranker().relevance([RerankRequest("", silent, (candidate(),))])[0][0] < 0.05
    assert relevance(replace(candidate(), tokens=empty))[0] < 0.05
    assert relevance() == []


@pytest.mark.parametrize("missing", ["dense", "tokens"])
def test_a_candidate_without_vectors_is_refused(missing: str) -> None:
    with pytest.raises(ModelError, match="another model"):
        relevance(replace(candidate(), **{missing: None}))


def test_a_question_without_token_vectors_is_refused() -> None:
    with pytest.raises(ModelError, match="bundled embedder"):
        relevance(candidate(), query=replace(QUERY, tokens=None))
