"""What a backup's streams hold is read as it was written, and cut so that little of it is stored twice."""

from dataclasses import replace
from hashlib import blake2b

import numpy as np

from rag.backups import contents
from rag.backups.contents import LINES_A_PIECE, GoldenHit, GoldenQuery, Line, SavedBlob, SavedDocument, cut
from rag.backups.digest import ContentDigest
from rag.backups.packs import THIN_PACKS, reusable_blobs
from rag.model import Document, SparseVector

PART = 1000


def document(document_id: str = "a\nß") -> Document:
    return Document(
        document_id, "docs", 1, 2, "f", "t", "text/plain", "s", "x", 3, 9, 1.5, 2.5, {"k": [1, None]}
    )


def test_a_document_is_read_as_it_was_written() -> None:
    whole = SavedDocument(document(), ContentDigest(3, 2**255 + 7))

    mail = replace(whole, document=replace(document(), attachments=("a/b.md", "a/c.md")))
    for saved in (whole, replace(whole, points=None), mail):
        assert contents.saved_document(contents.document_line(saved)) == saved
    assert replace(whole, points=None).late


def test_a_golden_query_is_read_as_it_was_written() -> None:
    dense, sparse = (
        np.array([0.25, -1e-7], np.float32),
        SparseVector(np.array([7, 4_000_000_000], np.uint32), np.array([1.0, 0.1], np.float32)),
    )
    query = GoldenQuery("Who?", dense, sparse, (GoldenHit("c", "d", 1, 0.5),))

    again = contents.golden_query(contents.golden_line(query))

    assert (again.text, again.hits) == (query.text, query.hits)
    for ours, theirs in (
        (again.dense, dense),
        (again.sparse.indices, sparse.indices),
        (again.sparse.values, sparse.values),
    ):
        np.testing.assert_array_equal(ours, theirs, strict=True)


def test_lines_are_found_wherever_the_stream_was_cut() -> None:
    rows = [contents.blob_line(SavedBlob(f"sources/{n}", n, "ab", "blobs/1", n)) for n in range(5)]
    stream = b"".join(rows)

    for size in (1, 7, len(rows[0]), len(stream)):
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert [line + b"\n" for line in contents.lines(pieces)] == rows


def lines(numbers: range) -> list[Line]:
    keys = [blake2b(str(number).encode()).hexdigest() for number in numbers]
    return [Line(key, f"{key}\n".encode()) for key in sorted(keys)]


def test_an_added_line_alters_one_piece() -> None:
    before, after = lines(range(20 * LINES_A_PIECE)), lines(range(20 * LINES_A_PIECE + 1))
    pieces, with_more = list(cut(before, 1 << 30)), list(cut(after, 1 << 30))

    assert len(pieces) > 5
    assert len({piece for piece, _ in with_more} - {piece for piece, _ in pieces}) <= 2
    assert b"".join(piece for piece, _ in with_more) == b"".join(line.data for line in after)


def test_what_follows_a_cut_is_cut_as_before() -> None:
    """So that a stream which goes on after a break has the same pieces."""
    rows = lines(range(10 * LINES_A_PIECE))
    (_, first), *rest = cut(rows, 1 << 30)

    assert list(cut([row for row in rows if row.key > first], 1 << 30)) == rest


def test_no_piece_is_much_larger_than_it_may_be() -> None:
    assert all(len(piece) <= PART + 129 for piece, _ in cut(lines(range(100)), PART))


def blobs(*packs: list[int]) -> list[SavedBlob]:
    return [
        SavedBlob(f"{number}-{place}", size, "", f"blobs/{number}")
        for number, sizes in enumerate(packs)
        for place, size in enumerate(sizes)
    ]


def test_few_thin_packs_stay() -> None:
    there = blobs([PART], *([[1]] * THIN_PACKS))

    assert list(reusable_blobs(there, [blob.key for blob in there], PART)) == there


def test_many_thin_packs_are_packed_together() -> None:
    there = blobs([PART], [PART, PART], *([[1]] * (THIN_PACKS + 1)))

    assert {blob.stream for blob in reusable_blobs(there, [blob.key for blob in there], PART)} == {
        "blobs/0",
        "blobs/1",
    }


def test_a_pack_with_little_that_is_live_is_thin() -> None:
    there = blobs(*([[1, PART]] * (THIN_PACKS + 1)), [PART])
    live = [blob.key for blob in there if blob.size == 1] + [there[-1].key]

    assert list(reusable_blobs(there, live, PART)) == [there[-1]]


def test_what_is_only_named_is_in_no_pack() -> None:
    assert reusable_blobs([SavedBlob("a")], ["a"], PART) == ()
