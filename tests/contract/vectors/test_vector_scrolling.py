"""A scroll brings everything that a vector store holds, as it was put."""

import numpy as np
import pytest

from rag.backups.digest import digests
from rag.model import DocumentVersion, Point
from rag.ports import VectorStore, Window
from tests.contract.vectors.points import DIMENSION, DOCS, TOKEN_DIMENSION, axis, point, sparse


def scrolled(store: VectorStore, limit: int) -> list[Point]:
    """Page by page."""
    points, after = [], None
    while True:
        page = store.scroll(DOCS, after=after, limit=limit)
        assert len(page.items) <= limit
        points += page.items
        after = page.next
        if after is None:
            return points
        assert after == points[-1].passage.chunk_id


@pytest.mark.parametrize("limit", [1, 7, 10_000])
def test_a_scroll_brings_every_point_once_by_ascending_id(store, limit):
    put = [point("a", index) for index in range(14)]
    store.upsert(DOCS, put)
    ids = [one.passage.chunk_id for one in scrolled(store, limit)]
    assert ids == sorted(one.passage.chunk_id for one in put)


def test_a_scroll_of_nothing_ends_at_once(store):
    assert store.scroll(DOCS, after=None, limit=10) == Window((), None)
    store.upsert(DOCS, [point("a")])
    behind = "f" * 8 + "-ffff" * 3 + "-" + "f" * 12
    assert store.scroll(DOCS, after=behind, limit=10) == Window((), None)


def test_a_scrolled_point_is_what_was_put_to_the_bit(store):
    """Twice: what is read can be written again and is still the same. A vector is kept at unit length."""
    random = np.random.default_rng(3)
    put = [
        point(
            "a",
            index,
            dense=unit(random.normal(size=DIMENSION)),
            terms=sparse(**{f"t{term}": float(np.float32(random.uniform())) for term in range(index * 3)}),
            metadata={"year": 2020, "score": 2.0, "tags": ["x", None], "deep": {"a": 0.1}},
            page=index or None,
            headings=("One",),
            tokens=None if index == 2 else random.normal(size=(index, TOKEN_DIMENSION)).astype(np.float16),
        )
        for index in range(6)
    ]
    store.upsert(DOCS, put)
    first = scrolled(store, 4)
    store.upsert(DOCS, first)
    second = scrolled(store, 4)

    assert {one.passage.chunk_id: one.passage for one in first} == {
        one.passage.chunk_id: one.passage for one in put
    }
    assert digests(first) == digests(second)
    for ours, theirs in zip(first, sorted(put, key=lambda one: one.passage.chunk_id), strict=True):
        assert (ours.dense.dtype, ours.sparse.indices.dtype) == (np.float32, np.uint32)
        np.testing.assert_array_equal(ours.dense, theirs.dense)
        np.testing.assert_array_equal(ours.sparse.indices, theirs.sparse.indices)
        np.testing.assert_array_equal(ours.sparse.values, theirs.sparse.values)


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_a_vector_that_the_engine_made_unit_length_stays_as_it_is(store):
    store.upsert(DOCS, [point("a", index, dense=axis(index) * 3 + 0.1) for index in range(DIMENSION)])
    before = scrolled(store, 10)
    store.delete(DOCS, "a")
    store.upsert(DOCS, before)
    assert digests(scrolled(store, 10)) == digests(before)


def test_scrolling_goes_on_behind_a_point_that_is_gone(store):
    store.upsert(DOCS, [point(f"d{number}") for number in range(9)])
    first = store.scroll(DOCS, after=None, limit=3)
    gone = first.items[-1].passage
    store.delete(DOCS, gone.document_id)
    rest = store.scroll(DOCS, after=gone.chunk_id, limit=100)
    assert first.next == gone.chunk_id
    assert len(rest.items) == 6
    assert min(one.passage.chunk_id for one in rest.items) > gone.chunk_id


def test_a_scroll_of_versions_brings_theirs_alone(store):
    put = [point("a", index) for index in range(5)] + [point("b"), point("c")]
    put += [point("a", index, version=2) for index in range(3)]
    store.upsert(DOCS, put)
    wanted = [DocumentVersion("a", 2), DocumentVersion("c", 1), DocumentVersion("gone", 1)]

    found, after = [], None
    while True:
        page = store.scroll(DOCS, after=after, limit=2, versions=wanted)
        found += page.items
        after = page.next
        if after is None:
            break

    ids = [one.passage.chunk_id for one in found]
    assert ids == sorted(ids)
    assert {(one.passage.document_id, one.passage.version) for one in found} == {("a", 2), ("c", 1)}
    assert len(found) == 4
