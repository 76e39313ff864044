"""Points of a document as a blob: read as they were written, or refused."""

import json
import struct
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from rag.backups.digest import digests
from rag.backups.points import FORMAT, packed, unpacked
from rag.errors import BackupError, DamagedBackup
from rag.model import Passage, Point, SparseVector

HEAD = struct.Struct("<4sHHII")


def point(index: int, *, tokens: int | None = 3) -> Point:
    random = np.random.default_rng(index)
    passage = Passage(
        f"00000000-0000-0000-0000-{index:012}",
        *("ß\n", 7, index, "text – ünïcode \x00", "Title", 5, 20, 3),
        headings=("One", "Two"),
        metadata={"z": 1, "a": [None, 2.5, {"deep": "é"}]},
    )
    terms = SparseVector(np.array([1, 4_000_000_000], np.uint32), random.random(2).astype(np.float32))
    vectors = None if tokens is None else random.normal(size=(tokens, 4)).astype(np.float16)
    return Point(passage, random.normal(size=8).astype(np.float32), terms, vectors)


def blob_of(body: bytes, *, count: int = 1, version: int = FORMAT, width: int = 4) -> bytes:
    """With a head that fits."""
    return HEAD.pack(b"AEGP", version, width, count, crc32(body)) + body


def test_points_are_read_as_they_were_written() -> None:
    recognised = point(3)
    recognised = replace(recognised, passage=replace(recognised.passage, confidence=0.97))
    points = [point(0), point(1, tokens=None), point(2, tokens=1), recognised]

    again = unpacked(packed(points, 4))

    assert [each.passage for each in again] == [each.passage for each in points]
    assert list(again[0].passage.metadata) == ["z", "a"], "in the order in which they were sent"
    assert digests(again) == digests(points)
    for ours, theirs in zip(again, points, strict=True):
        assert (ours.tokens is None) == (theirs.tokens is None)
        assert ours.dense.dtype == np.float32
        if ours.tokens is not None and theirs.tokens is not None:
            np.testing.assert_array_equal(ours.tokens, theirs.tokens, strict=True)


def test_points_without_terms_or_token_vectors() -> None:
    none = SparseVector(np.zeros(0, np.uint32), np.zeros(0, np.float32))
    bare = replace(point(0, tokens=None), sparse=none)
    assert digests(unpacked(packed([bare], None))) == digests([bare])
    assert unpacked(packed([], None)) == []


def test_every_changed_byte_is_damage() -> None:
    blob = packed([point(0)], 4)
    for at in range(len(blob)):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(BackupError):
            unpacked(bytes(changed))


@pytest.mark.parametrize("end", [0, 3, 15, 16, 40, -1])
def test_what_is_cut_off_is_damage(end: int) -> None:
    with pytest.raises(DamagedBackup):
        unpacked(packed([point(0)], 4)[:end])


def test_a_later_format_is_told_from_damage() -> None:
    body = packed([point(0)], 4)[HEAD.size :]
    with pytest.raises(BackupError, match="format 2") as told:
        unpacked(blob_of(body, version=2))
    assert not isinstance(told.value, DamagedBackup)


def field(data: bytes) -> bytes:
    return len(data).to_bytes(8) + data


PASSAGE = json.dumps(["id", "d", 1, 0, "t", "T", 0, 1, None, [], {}]).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * 8,
        (2**63).to_bytes(8) + b"x",
        field(b"[]") + field(b"") * 4,
        field(b"{}") + field(b"") * 4,
        field(b"[" * 100_000) + field(b"") * 4,
        field(PASSAGE) + field(b"abc") + field(b"") * 3,
        field(PASSAGE) + field(b"") * 3 + field(b"\x00" * 6),
        field(PASSAGE) * 2,
        b"",
    ],
)
def test_a_body_with_the_right_checksum_is_not_believed_either(body: bytes) -> None:
    with pytest.raises(DamagedBackup):
        unpacked(blob_of(body))
