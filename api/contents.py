"""What is behind a document's id: ``/content``, as it was sent, and ``/chunks``, its passages.

An id that itself ends so is written with an encoded slash.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import chain
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field

from api.documents import IdInPath, OnShelf, Shelf, belongs_to_id, shown
from api.openapi import Responses, problems
from api.paging import Paged, Paging, sealed
from api.problems import problem
from api.ranges import Unsatisfiable, range_of
from api.schemas import Page
from rag.errors import InvalidCursor, NotFound
from rag.media import READABLE
from rag.model import Document
from rag.naming import chunks_key
from rag.places import Place, unpack_places
from rag.ports import BlobStore

router = APIRouter(prefix="/v1/documents", tags=["documents"])

_PIECE = 1 << 20
_INERT = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}
"""Whatever the file is, a browser is to keep it and not to show it as a page of ours."""

_BYTES = {"schema": {"type": "string", "format": "binary"}}

_ORIGINAL: Responses = {
    200: {
        "content": {"application/octet-stream": _BYTES, "*/*": _BYTES},  # the first for generated clients
        "description": "The bytes, with the document's media type",
    },
    206: {
        "content": {"application/octet-stream": _BYTES, "*/*": _BYTES},
        "description": "The range that was asked for",
    },
    304: {"description": "What If-None-Match names is still right"},
    **problems(404, 416),
}


class ChunkOut(BaseModel):
    """A passage of a document, as searches find it."""

    index: int = Field(description="From 0, in the order of the text")
    chunk_id: str = Field(description="As citations and hits name it; another one with each version")
    start: int = Field(description="First character")
    end: int = Field(description="First character after")
    page: int | None
    headings: list[str] = Field(description="The path that leads to it, the outermost first")
    tokens: int = Field(description="About as the embedding model counts them")
    text: str


@router.head("/{document_id:path}/content", response_class=Response, include_in_schema=False)
@router.get(
    "/{document_id:path}/content",
    response_class=Response,
    responses=_ORIGINAL,
    summary="The document as it was sent",
)
def content(request: Request, shelf: OnShelf, document_id: IdInPath) -> Response:
    """Of an address, what was fetched from it. Takes `Range`, `If-Range` and `If-None-Match`. An id that
    itself ends in `/content` is written with `%2Fcontent`."""
    if belongs_to_id(request, "content"):
        return shown(shelf, f"{document_id}/content")
    return shelf.read(document_id, lambda document: _original(request, shelf.parts.blobs, document))


def _original(request: Request, blobs: BlobStore, document: Document) -> Response:
    size, tag = blobs.length(document.source_key), _tag_of(document)
    headers = {
        **_INERT,
        "ETag": tag,
        "Content-Type": document.media_type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_filename(document), safe='')}",
    }
    if not {tag, "*"}.isdisjoint(_tags(request.headers.get("if-none-match"))):
        return Response(status_code=304, headers=headers)
    try:
        asked = range_of(request.headers.get("range"), size) if _in_part(request, tag) else None
    except Unsatisfiable:
        more = {"Content-Range": f"bytes */{size}"}
        detail = f"The document has {size} bytes"
        return problem(416, "range-not-satisfiable", "No such bytes", detail, headers=more)
    start, end = asked or (0, size)
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    headers["Content-Length"] = str(end - start)
    status = 206 if asked else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(
        _begun(blobs.pieces(document.source_key, start, end, at_once=_PIECE)), status, headers
    )


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same, its first piece read here, so that what goes wrong is answered."""
    return chain((next(pieces, b""),), pieces)


def _tag_of(document: Document) -> str:
    """Each version has bytes under a key of its own, which never change."""
    return f'"{sha256(document.source_key.encode()).hexdigest()[:32]}"'


def _tags(header: str | None) -> list[str]:
    return [tag.strip().removeprefix("W/") for tag in (header or "").split(",")]


def _in_part(request: Request, tag: str) -> bool:
    """Whether a range counts: a partial copy that is continued has to be of these bytes."""
    return request.method == "GET" and request.headers.get("if-range", tag) == tag


def _filename(document: Document) -> str:
    """The last part of the id, with the usual suffix of its type where it has none that fits."""
    name = PurePosixPath(document.document_id).name or "document"
    suffixes = READABLE.get(document.media_type, ())
    fits = not suffixes or PurePosixPath(name).suffix.lower().removeprefix(".") in suffixes
    return name if fits else f"{name}.{suffixes[0]}"


@router.get(
    "/{document_id:path}/chunks",
    response_model=Page[ChunkOut],
    responses=problems(400, 404),
    summary="The passages of a document",
)
def chunks(
    request: Request,
    shelf: OnShelf,
    document_id: IdInPath,
    paging: Paged,
    chunk_id: Annotated[
        str | None, Query(max_length=64, description="The one passage that a citation names")
    ] = None,
) -> Response:
    """As they were cut, in order. A passage of a version that was replaced since is not there (404). An id
    that itself ends in `/chunks` is written with `%2Fchunks`."""
    if belongs_to_id(request, "chunks"):
        return shown(shelf, f"{document_id}/chunks")

    def look(document: Document) -> Page[ChunkOut]:
        return _page(shelf, document, paging) if chunk_id is None else _one(shelf, document, chunk_id)

    page = shelf.read(document_id, look)
    return Response(page.model_dump_json(), media_type="application/json")


def _page(shelf: Shelf, document: Document, paging: Paging) -> Page[ChunkOut]:
    places, start = _places(shelf, document), _index_of(paging.cursor, document)
    end = start + paging.limit
    items = _shown(shelf, document, places, start, end)
    following = sealed(f"{document.version}.{end}", paging.of) if end < len(places) else None
    return Page[ChunkOut](items=items, next=following)


def _one(shelf: Shelf, document: Document, chunk_id: str) -> Page[ChunkOut]:
    places = _places(shelf, document)
    for index, place in enumerate(places):
        if place.chunk_id == chunk_id:
            return Page[ChunkOut](items=_shown(shelf, document, places, index, index + 1), next=None)
    raise NotFound(
        f"Document {document.document_id!r} has no passage {chunk_id!r}: it may have been replaced"
    )


def _index_of(cursor: str | None, document: Document) -> int:
    """InvalidCursor for that of another version, whose passages are others."""
    if cursor is None:
        return 0
    version, _, index = cursor.partition(".")
    if version != str(document.version):
        raise InvalidCursor("cursor: the document was replaced meanwhile; leave it out to begin anew")
    return int(index)


def _places(shelf: Shelf, document: Document) -> list[Place]:
    try:
        return unpack_places(shelf.parts.blobs.get(chunks_key(document.text_key)))
    except NotFound as error:
        raise NotFound(
            f"Document {document.document_id!r} was taken in by an earlier version of Aegis, which did not "
            "note where its passages are: send it again, which costs no embedding"
        ) from error


def _shown(shelf: Shelf, document: Document, places: list[Place], start: int, end: int) -> list[ChunkOut]:
    """The text is read once, from the first of the passages to the last."""
    chosen = places[start:end]
    if not chosen:
        return []
    first, last = chosen[0].first, max(place.last for place in chosen)
    text = b"".join(shelf.parts.blobs.pieces(document.text_key, first, last))
    return [
        ChunkOut(
            index=index,
            chunk_id=place.chunk_id,
            start=place.start,
            end=place.end,
            page=place.page,
            headings=list(place.headings),
            tokens=place.tokens,
            text=text[place.first - first : place.last - first].decode(),
        )
        for index, place in enumerate(chosen, start)
    ]
