"""The digest of a collection's content."""

from dataclasses import replace

import numpy as np
import pytest

from rag.backups.digest import ContentDigest, digest_of, digests
from rag.model import DocumentVersion, Passage, Point, SparseVector
from tests.contents import total

PASSAGE = Passage("id-1", "doc", 3, 0, "täxt", "title", 0, 4, 2, ("A", "B"), {"b": [1, 2.5, None], "a": "x"})
POINT = Point(
    PASSAGE,
    np.array([0.6, 0.8], np.float32),
    SparseVector(np.array([1, 7], np.uint32), np.array([0.5, 1.5], np.float32)),
    np.array([[1, 2], [3, 4]], np.float16),
)

CHANGES = {
    "id": replace(PASSAGE, chunk_id="id-2"),
    "document": replace(PASSAGE, document_id="dob"),
    "version": replace(PASSAGE, version=4),
    "index": replace(PASSAGE, index=1),
    "text": replace(PASSAGE, text="taxt"),
    "title": replace(PASSAGE, title=""),
    "start": replace(PASSAGE, start=1),
    "end": replace(PASSAGE, end=5),
    "page": replace(PASSAGE, page=None),
    "headings": replace(PASSAGE, headings=("A",)),
    "metadata": replace(PASSAGE, metadata={"b": [1, 2.5, 0], "a": "x"}),
    "a bit of the vector": {"dense": np.nextafter(POINT.dense, np.float32(1))},
    "a term": {"sparse": replace(POINT.sparse, indices=np.array([1, 8], np.uint32))},
    "a weight": {"sparse": replace(POINT.sparse, values=np.array([0.5, 1.6], np.float32))},
    "a token vector": {"tokens": np.array([[1, 2], [3, 5]], np.float16)},
    "no token vectors": {"tokens": None},
}


@pytest.mark.parametrize("what", CHANGES)
def test_any_change_changes_it(what):
    change = CHANGES[what]
    changed = replace(POINT, **change) if isinstance(change, dict) else replace(POINT, passage=change)
    assert digest_of(changed) != digest_of(POINT)


def test_the_same_point_has_the_same_digest_however_it_is_held():
    held = Point(
        replace(PASSAGE, metadata={"a": "x", "b": [1, 2.5, None]}),
        np.array([0.6, 9, 0.8, 9], np.float32)[::2],
        SparseVector(np.array([1, 7], ">u4"), np.array([0.5, 1.5], ">f4")),
        np.asfortranarray(POINT.tokens),
    )
    assert digest_of(held) == digest_of(POINT)


def test_the_order_of_points_does_not_matter_and_each_counts():
    points = [
        replace(POINT, passage=replace(PASSAGE, chunk_id=f"id-{number}", version=number % 2))
        for number in range(6)
    ]
    assert digests(points) == digests(reversed(points))
    assert total(digests(points)) == sum(map(digest_of, points), ContentDigest())
    assert total(digests(points)).points == 6
    assert total(digests(points)) != total(digests([*points[:5], points[0]]))
    assert digests(points).keys() == {DocumentVersion("doc", 0), DocumentVersion("doc", 1)}


def test_it_is_64_hexadecimal_digits():
    assert str(ContentDigest()) == "0" * 64
    assert len(str(digest_of(POINT))) == 64
