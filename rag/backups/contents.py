"""The contents of a backup's streams, for the most part JSON, one value a line.

- ``documents/STORE``: the documents of a collection, by id, each with where its points are, and their digest
- ``points/STORE/…``: packs of points, as :mod:`rag.backups.points` has them
- ``golden/STORE``: questions to the collection, and what its search found
- ``collections``: the journal's entry of every collection, those included that were dropped
- ``jobs``: job records, the newest first; a job that is not over is saved as it was accepted
- ``keys``: the journal's entries of the keys that the service made, with their digests alone
- ``blobs``: every source and text, and where its bytes are: in a stream ``blobs/…``, or in BLOB_URL alone

Streams are cut so that the same content gives the same pieces, which are stored once.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.access.keys import Key
from rag.backups.digest import ContentDigest
from rag.journal.entries import (
    DOCUMENTS,
    CollectionEntry,
    JobFields,
    collection_entry,
    collection_json,
    job_fields,
    job_json,
    key_entry,
    key_json,
)
from rag.model import Document, DocumentVersion, SearchQuery, SparseVector, Vector
from rag.model.known import known_fields

COLLECTIONS, JOBS, KEYS, BLOBS = "collections", "jobs", "keys", "blobs"


def documents_stream(store: str) -> str:
    return f"documents/{store}"


def points_stream(store: str, pack: str = "") -> str:
    """The stream of a pack; without ``pack``, the prefix of all packs of the store."""
    return f"points/{store}/{pack}"


def golden_stream(store: str) -> str:
    return f"golden/{store}"


@dataclass(frozen=True, slots=True)
class SavedBlob:
    """``size`` bytes of ``stream`` from ``offset`` on. ``stream`` is "" if the backup has only the key."""

    key: str
    size: int = 0
    sha256: str = ""
    stream: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class SavedPoints:
    """All points of a version: the blobs that have them, and their ``digest``."""

    version: DocumentVersion
    digest: ContentDigest
    blobs: tuple[SavedBlob, ...]


@dataclass(frozen=True, slots=True)
class SavedDocument:
    """``points``: the digest of the points of its version that searches saw, which ``blobs`` have.

    None for a document that was published too late to be read, or whose points were not all there.
    """

    document: Document
    points: ContentDigest | None
    blobs: tuple[SavedBlob, ...] = ()

    @property
    def version(self) -> DocumentVersion:
        return DocumentVersion(self.document.document_id, self.document.version)

    @property
    def late(self) -> bool:
        return self.points is None


@dataclass(frozen=True, slots=True)
class GoldenHit:
    chunk_id: str
    document_id: str
    version: int
    score: float


@dataclass(frozen=True, slots=True)
class GoldenQuery:
    """A question as it was searched for, and the hits, best first."""

    text: str
    dense: Vector
    sparse: SparseVector
    hits: tuple[GoldenHit, ...]

    def asked(self, limit: int) -> SearchQuery:
        return SearchQuery(dense=self.dense, sparse=self.sparse, limit=limit)


def lines(data: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream, wherever it was cut, without their ends."""
    rest = b""
    for piece in data:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


# --- Lines with their ends. Each reader raises ValueError, TypeError or KeyError for any other line.


def document_line(saved: SavedDocument) -> bytes:
    points = None if saved.points is None else [saved.points.points, str(saved.points)]
    return _line({"document": asdict(saved.document), "points": points, "blobs": _places(saved.blobs)})


def saved_document(line: bytes) -> SavedDocument:
    fields = json.loads(line)
    points = None if fields["points"] is None else _digest(*fields["points"])
    document = DOCUMENTS.validate_python(fields["document"])
    return SavedDocument(document, points, _blobs(document.document_id, fields["blobs"]))


def points_line(saved: SavedPoints) -> bytes:
    version, digest = saved.version, saved.digest
    whose = [version.document_id, version.version, digest.points, str(digest)]
    return _line([*whose, _places(saved.blobs)])


def saved_points(line: bytes) -> SavedPoints:
    document_id, version, points, digest, places = json.loads(line)
    blobs = _blobs(document_id, places)
    return SavedPoints(DocumentVersion(document_id, version), _digest(points, digest), blobs)


def golden_line(query: GoldenQuery) -> bytes:
    return _line(
        {
            "text": query.text,
            "dense": _packed(query.dense, "<f4"),
            "indices": _packed(query.sparse.indices, "<u4"),
            "values": _packed(query.sparse.values, "<f4"),
            "hits": [asdict(hit) for hit in query.hits],
        }
    )


def golden_query(line: bytes) -> GoldenQuery:
    fields = json.loads(line)
    sparse = SparseVector(_unpacked(fields["indices"], "<u4"), _unpacked(fields["values"], "<f4"))
    hits = tuple(GoldenHit(**known_fields(GoldenHit, hit)) for hit in fields["hits"])
    return GoldenQuery(fields["text"], _unpacked(fields["dense"], "<f4"), sparse, hits)


def collection_line(entry: CollectionEntry) -> bytes:
    return collection_json(entry) + b"\n"


def saved_collection(line: bytes) -> CollectionEntry:
    return collection_entry("", line)


def job_line(fields: JobFields) -> bytes:
    return job_json(fields) + b"\n"


def saved_job(line: bytes) -> JobFields:
    return job_fields("", line)


def key_line(key: Key) -> bytes:
    return key_json(key) + b"\n"


def saved_key(line: bytes) -> Key:
    return key_entry("", line)


def blob_line(blob: SavedBlob) -> bytes:
    return _line(asdict(blob))


def saved_blob(line: bytes) -> SavedBlob:
    return SavedBlob(**known_fields(SavedBlob, json.loads(line)))


def _places(blobs: Iterable[SavedBlob]) -> list[list[Any]]:
    return [[each.stream, each.offset, each.size, each.sha256] for each in blobs]


def _blobs(document_id: str, places: Iterable[tuple[str, int, int, str]]) -> tuple[SavedBlob, ...]:
    """The inverse of :func:`_places`. Points have no key of their own: errors name their document."""
    return tuple(
        SavedBlob(f"points of {document_id}", size, digest, stream, offset)
        for stream, offset, size, digest in places
    )


def _line(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _digest(points: int, total: str) -> ContentDigest:
    return ContentDigest(points, int(total, 16))


def _packed(array: NDArray[Any], dtype: str) -> str:
    return b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def _unpacked(text: str, dtype: str) -> NDArray[Any]:
    return np.frombuffer(b64decode(text, validate=True), dtype)


LINES_A_PIECE = 2048  # on average


@dataclass(frozen=True, slots=True)
class Line:
    """``key``: tells where a stream goes on, after this line."""

    key: str
    data: bytes


def cut(lines: Iterable[Line], most: int) -> Iterator[tuple[bytes, str]]:
    """Pieces of about ``most`` bytes at most, each with the key of its last line.

    Which lines end a piece depends on their keys alone, wherever the stream was begun. So a line that was
    added or changed alters only the pieces around it. (Content-defined chunking, as in Muthitacharoen et
    al., "A Low-bandwidth Network File System", over keys in place of bytes.)
    """
    piece, last = bytearray(), ""
    for line in lines:
        piece += line.data
        last = line.key
        rank = int.from_bytes(blake2b(line.key.encode(), digest_size=8).digest())
        if len(piece) >= most or rank % LINES_A_PIECE == 0:
            yield bytes(piece), last
            piece.clear()
    if piece:
        yield bytes(piece), last
