"""The places of a document's passages in its text, packed for a blob, and the addresses of a passage."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from urllib.parse import quote, urlencode

from rag.errors import NotFound
from rag.model import Chunk, DocumentVersion


@dataclass(frozen=True, slots=True)
class Place:
    """Characters ``start`` to ``end`` of a text, and bytes ``first`` to ``last`` of it in UTF-8.

    ``chunk_id``: the id of its point. The document's name does not give it: points that were restored
    under another name keep their ids.
    """

    chunk_id: str
    start: int
    end: int
    first: int
    last: int
    tokens: int
    page: int | None = None
    headings: tuple[str, ...] = ()


def places_of(text: str, chunks: Sequence[Chunk], chunk_ids: Sequence[str]) -> list[Place]:
    """The places of chunks, which are in the order of their beginnings."""
    places, at, byte = [], 0, 0
    for chunk, chunk_id in zip(chunks, chunk_ids, strict=True):
        byte += len(text[at : chunk.start].encode())
        at = chunk.start
        last = byte + len(text[chunk.start : chunk.end].encode())
        places.append(
            Place(chunk_id, chunk.start, chunk.end, byte, last, chunk.tokens, chunk.page, chunk.headings)
        )
    return places


def pack_places(places: Sequence[Place]) -> bytes:
    rows = [astuple(place) for place in places]
    return zlib.compress(json.dumps(rows, separators=(",", ":")).encode())


def unpack_places(data: bytes) -> list[Place]:
    """The inverse of :func:`pack_places`. NotFound for damaged bytes: the caller makes the places again."""
    try:
        rows = json.loads(zlib.decompress(data))
        return [
            Place(chunk_id, start, end, first, last, tokens, page, tuple(headings))
            for chunk_id, start, end, first, last, tokens, page, headings in rows
        ]
    except (ValueError, TypeError, zlib.error) as error:
        raise NotFound(f"where the passages stand cannot be read: {error}") from error


def passage_page(collection: str, version: DocumentVersion, start: int, end: int) -> str:
    """The console's page of a document, with the characters from ``start`` to ``end`` marked.

    Everything is behind the ``#``, which browsers do not send: no log and no other server sees it.
    """
    about = {"collection": collection, "document": version.document_id, "version": version.version}
    place = {**about, "start": start, "end": end}
    return f"/console/document.html#{urlencode(place, quote_via=quote)}"


def chunk_address(collection: str, document_id: str, chunk_id: str) -> str:
    """The path of the API that returns the passage."""
    asked = urlencode({"collection": collection, "chunk_id": chunk_id})
    return f"/v1/documents/{quote(document_id, safe='')}/chunks?{asked}"
