"""What every vector store writes, reads back and deletes, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from rag.errors import InvalidRequest
from rag.model import CollectionSpec, Hit, Point, SparseVector
from tests.contract.vectors.points import DIMENSION, DOCS, TOKEN_DIMENSION, point, query, sparse

# --- writing and reading back ------------------------------------------------------------


def test_a_passage_comes_back_as_it_was(store):
    metadata = {
        "lang": "de",
        "year": 2024,
        "score": 0.5,
        "draft": False,
        "tags": ["x", "y"],
        "a": {"b": None},
    }
    whole = point(
        "a", metadata=metadata, page=3, confidence=0.97, headings=("One", "Two"), text="line\nnext\ttab 𝄞"
    )
    store.upsert(DOCS, [whole])
    assert store.search(DOCS, query())[0].passage == whole.passage


def test_writing_twice_is_writing_once(store):
    points = [point("a", index) for index in range(5)]
    store.upsert(DOCS, points)
    first = store.search(DOCS, query(terms=sparse(t1=1)))
    store.upsert(DOCS, points)
    assert store.count(DOCS) == 5
    assert store.search(DOCS, query(terms=sparse(t1=1))) == first


def test_a_batch_larger_than_a_slice_is_written_whole(store):
    store.upsert(DOCS, [point("a", index) for index in range(200)])
    assert store.count(DOCS, "a") == 200


def test_nothing_to_write_is_no_error(store):
    store.upsert(DOCS, [])
    assert store.count(DOCS) == 0
    assert store.search(DOCS, query()) == []


def test_counts_are_by_document(store):
    store.upsert(DOCS, [point("a", 0), point("a", 1), point("a", 0, version=2), point("b")])
    assert (store.count(DOCS), store.count(DOCS, "a"), store.count(DOCS, "c")) == (4, 3, 0)


def test_candidates_carry_the_vectors_that_were_put(store):
    dense = np.linspace(1, 2, DIMENSION, dtype=np.float32)
    dense /= np.linalg.norm(dense)
    points = [point("a", 0), point("a", 1, dense=dense), point("a", 2, tokens=None)]
    store.upsert(DOCS, points)
    hits = [Hit(one.passage, 0.5) for one in reversed(points)]

    candidates = store.candidates(DOCS, hits)

    assert [candidate.hit for candidate in candidates] == hits
    for candidate, put in zip(candidates, reversed(points), strict=True):
        np.testing.assert_allclose(candidate.dense, put.dense, atol=1e-6)
        assert candidate.dense.dtype == np.float32
        if put.tokens is None:
            assert candidate.tokens is None
        else:
            assert candidate.tokens.dtype == np.float16
            np.testing.assert_array_equal(candidate.tokens, put.tokens)


def test_a_point_that_has_gone_is_no_candidate(store):
    kept, gone = point("a"), point("b")
    store.upsert(DOCS, [kept, gone])
    store.delete(DOCS, "b")
    candidates = store.candidates(DOCS, [Hit(gone.passage, 1.0), Hit(kept.passage, 0.5)])
    assert [candidate.hit.passage for candidate in candidates] == [kept.passage]


def test_a_collection_without_token_vectors_has_none(backend):
    store = backend.store
    store.ensure(DOCS, CollectionSpec(DIMENSION))
    store.upsert(DOCS, [point("a", tokens=None)])
    (candidate,) = store.candidates(DOCS, store.search(DOCS, query()))
    assert candidate.tokens is None
    assert candidate.dense is not None


def test_a_rewritten_point_without_token_vectors_loses_the_old_ones(store):
    store.upsert(DOCS, [point("a")])
    store.upsert(DOCS, [point("a", tokens=None)])
    (candidate,) = store.candidates(DOCS, store.search(DOCS, query()))
    assert candidate.tokens is None


# --- deleting ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ({}, set()),
        ({"below": 3}, {3, 4}),
        ({"keep": 2}, {2}),
        ({"below": 3, "keep": 1}, {1, 3, 4}),
        ({"only": 2}, {1, 3, 4}),
    ],
)
def test_deleting_takes_the_versions_it_is_told(store, which, left):
    store.upsert(DOCS, [point("a", version=version) for version in (1, 2, 3, 4)] + [point("b")])
    store.delete(DOCS, "a", **which)
    store.delete(DOCS, "a", **which)
    hits = store.search(DOCS, query())
    assert {hit.passage.version for hit in hits if hit.passage.document_id == "a"} == left
    assert store.count(DOCS, "b") == 1


# --- what the engine would silently mishandle ----------------------------------------------


def bad_points() -> dict[str, Point]:
    good = point("a")
    nan = good.dense.copy()
    nan[3] = np.nan
    nan_tokens = good.tokens.copy()
    nan_tokens[0, 0] = np.inf
    return {
        "NaN": replace(good, dense=nan),
        "zero": replace(good, dense=np.zeros(DIMENSION, np.float32)),
        "shape": replace(good, dense=np.ones(DIMENSION + 1, np.float32)),
        "sparse NaN": replace(good, sparse=sparse(t1=float("nan"))),
        "sparse twice": replace(
            good, sparse=SparseVector(np.array([4, 4], np.uint32), np.ones(2, np.float32))
        ),
        "sparse uneven": replace(good, sparse=SparseVector(np.array([4], np.uint32), np.ones(2, np.float32))),
        "token infinity": replace(good, tokens=nan_tokens),
        "token shape": replace(good, tokens=np.ones((2, TOKEN_DIMENSION + 1), np.float16)),
        "token dtype": replace(good, tokens=np.ones((2, TOKEN_DIMENSION), np.float32)),
        "surrogate in text": point("a", text="broken \ud800"),
        "surrogate in metadata": point("a", metadata={"x": ["\udfff"]}),
        "surrogate in a key": point("a", metadata={"\udfff": 1}),
        "metadata NaN": point("a", metadata={"x": float("nan")}),
        "metadata object": point("a", metadata={"x": object()}),
        "metadata integer": point("a", metadata={"x": 2**70}),
        "id": replace(good, passage=replace(good.passage, chunk_id="no-uuid")),
    }


@pytest.mark.parametrize("name", sorted(bad_points()))
def test_a_bad_point_is_refused_and_its_batch_not_written(store, name):
    with pytest.raises(InvalidRequest):
        store.upsert(DOCS, [point("b"), bad_points()[name]])
    assert store.count(DOCS) == 0


def test_token_vectors_need_a_collection_with_them(backend):
    backend.store.ensure(DOCS, CollectionSpec(DIMENSION))
    with pytest.raises(InvalidRequest, match="token"):
        backend.store.upsert(DOCS, [point("a")])


@pytest.mark.parametrize(
    "bad",
    [
        query(np.full(DIMENSION, np.nan, np.float32)),
        query(np.ones(3, np.float32)),
        query(terms=sparse(t1=float("inf"))),
        query(limit=0),
        query(where={"year": {"above": 3}}),
        query(where={"title": {"gte": 3}}),
        query(where={"year": []}),
        query(where={"year": None}),
    ],
)
def test_a_bad_query_is_refused(store, bad):
    with pytest.raises(InvalidRequest):
        store.search(DOCS, bad)
