"""Computes digests of a collection's content, which depend neither on the order of points nor on the engine.

A point's digest is the SHA-256 of its id, its passage and its vectors, as they are read from an engine.
The digests of several points are added modulo 2^256, so that their order does not matter (AdHash: Bellare
and Micciancio, "A New Paradigm for Collision-Free Hashing"). A digest finds damage and loss; it is no
protection against somebody who forges points.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from rag.model import DocumentVersion, Passage, Point

_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """The digests of ``points`` points, which add up to ``total``."""

    points: int = 0
    total: int = 0

    def __add__(self, other: "ContentDigest") -> "ContentDigest":
        return ContentDigest(self.points + other.points, (self.total + other.total) % _MODULUS)

    def __str__(self) -> str:
        return f"{self.total:064x}"


def digest_of(point: Point) -> ContentDigest:
    """The digest of one point: of its passage, dense, sparse and token vectors, each with its length."""
    return ContentDigest(1, int.from_bytes(sha256(content_of(point, sort_keys=True)).digest()))


def content_of(point: Point, *, sort_keys: bool) -> bytes:
    """Passage, dense vector, terms and their weights, and token vectors, each with its length before it.

    Lengths are 8 bytes, big-endian; arrays are little-endian. Of the passage: JSON of its fields, in order,
    the last ones only where one of them says something: the digests of most points are those of earlier
    versions.
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
        *_last_fields(passage),
    ]
    pieces = (
        json.dumps(fields, ensure_ascii=False, sort_keys=sort_keys, separators=(",", ":")).encode(),
        np.ascontiguousarray(point.dense, "<f4").tobytes(),
        np.ascontiguousarray(point.sparse.indices, "<u4").tobytes(),
        np.ascontiguousarray(point.sparse.values, "<f4").tobytes(),
        b"" if point.tokens is None else np.ascontiguousarray(point.tokens, "<f2").tobytes(),
    )
    return b"".join(len(piece).to_bytes(8) + piece for piece in pieces)


def _last_fields(passage: Passage) -> list[float | str | None]:
    if passage.searched_title:
        return [passage.confidence, passage.searched_title]
    return [] if passage.confidence is None else [passage.confidence]


def digests(points: Iterable[Point]) -> dict[DocumentVersion, ContentDigest]:
    """The digest of each document version among the points."""
    found: dict[DocumentVersion, ContentDigest] = {}
    for point in points:
        version = DocumentVersion(point.passage.document_id, point.passage.version)
        found[version] = found.get(version, ContentDigest()) + digest_of(point)
    return found
