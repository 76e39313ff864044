"""The digest of a collection's content: what its points hold, in whatever order and engine they lie.

A point's digest is the SHA-256 of its id, its passage and its vectors, as they are read from an engine.
Those of several points are added modulo 2^256, so that the order does not matter, and a document can be
told apart (AdHash: Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing"). It finds damage and
loss; against somebody who forges points it is no protection.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from rag.model import DocumentVersion, Point

_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """Of ``points`` points, whose digests add up to ``total``."""

    points: int = 0
    total: int = 0

    def __add__(self, other: "ContentDigest") -> "ContentDigest":
        return ContentDigest(self.points + other.points, (self.total + other.total) % _MODULUS)

    def __str__(self) -> str:
        return f"{self.total:064x}"


def digest_of(point: Point) -> ContentDigest:
    """Of one point."""
    return ContentDigest(1, int.from_bytes(sha256(content_of(point, sort_keys=True)).digest()))


def digests(points: Iterable[Point]) -> dict[DocumentVersion, ContentDigest]:
    """By version of each document."""
    found: dict[DocumentVersion, ContentDigest] = {}
    for point in points:
        version = DocumentVersion(point.passage.document_id, point.passage.version)
        found[version] = found.get(version, ContentDigest()) + digest_of(point)
    return found


def content_of(point: Point, *, sort_keys: bool) -> bytes:
    """Passage, dense vector, terms and their weights, and token vectors, each with its length before it.

    Lengths are 8 bytes, big-endian; arrays are little-endian. Of the passage: JSON of its fields, in order.
    ``sort_keys``: those of its metadata, which an engine may give back in another order.
    """
    passage = point.passage
    fields = [
        passage.chunk_id,
        passage.document_id,
        passage.version,
        passage.index,
        passage.text,
        passage.title,
        passage.start,
        passage.end,
        passage.page,
        list(passage.headings),
        dict(passage.metadata),
    ]
    pieces = (
        json.dumps(fields, ensure_ascii=False, sort_keys=sort_keys, separators=(",", ":")).encode(),
        np.ascontiguousarray(point.dense, "<f4").tobytes(),
        np.ascontiguousarray(point.sparse.indices, "<u4").tobytes(),
        np.ascontiguousarray(point.sparse.values, "<f4").tobytes(),
        b"" if point.tokens is None else np.ascontiguousarray(point.tokens, "<f2").tobytes(),
    )
    return b"".join(len(piece).to_bytes(8) + piece for piece in pieces)
