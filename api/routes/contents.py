"""What is behind a document's id: ``/text``, ``/content`` (the file as it was sent), ``/chunks`` (passages).

An id that itself ends in one of these words is written with an encoded slash.
"""

from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from api.calls.openapi import Responses, problems
from api.calls.ranges import Unsatisfiable, excerpt, range_of
from api.http.problems import problem
from api.routes.documents import IdInPath, InLibrary, Library
from api.schemas.answers import Answer, DocumentOut, Page
from api.schemas.paging import Paged, Paging, encode_cursor
from rag.errors import InvalidCursor, NotFound
from rag.media import READABLE
from rag.model import Document
from rag.naming import chunks_key
from rag.ports import BlobStore
from rag.text.places import Place, unpack_places

router = APIRouter(prefix="/v1/documents", tags=["documents"])

_PIECE = 1 << 20
# Whatever the file is, a browser must save it and must not show it as one of our pages.
_INERT = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
    "Accept-Ranges": "bytes",
}

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_FILE = {"application/octet-stream": _BYTES, "*/*": _BYTES}  # the first for generated clients
_ORIGINAL: Responses = {
    200: {"content": _FILE, "description": "The bytes, with the document's media type"},
    206: {"content": _FILE, "description": "The range that was asked for"},
    304: {"description": "The version that If-None-Match names is the present one"},
    **problems(404, 416),
}


@dataclass(frozen=True, slots=True)
class Span:
    """Characters, counted as citations count them; ``end`` None: to the last."""

    start: Annotated[int, Query(ge=0, description="First character")] = 0
    end: Annotated[int | None, Query(ge=0, description="First character after; unset: all")] = None


class ChunkOut(Answer):
    """A passage of a document, as searches find it."""

    index: int = Field(description="From 0, in the order of the text")
    chunk_id: str = Field(description="As citations and hits name it; another one with each version")
    start: int = Field(description="First character")
    end: int = Field(description="First character after")
    page: int | None
    headings: list[str] = Field(description="The path that leads to it, the outermost first")
    tokens: int = Field(description="About as the embedding model counts them")
    text: str


def _belongs_to_id(request: Request, word: str) -> bool:
    """Whether the path's last ``/word`` was sent with an encoded slash, so that it is part of the id."""
    end = f"/{word}".encode()
    raw = request.scope.get("raw_path") or end
    return not bytes(raw).partition(b"?")[0].endswith(end)


def _answer_document(library: Library, document_id: str) -> Response:
    """The document itself, where the whole path turned out to be its id."""
    found = DocumentOut.of(library.document(document_id))
    return Response(found.model_dump_json(), media_type="application/json")


@router.get(
    "/{document_id:path}/text",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "UTF-8"},
        **problems(404),
    },
    summary="The text that citations point into",
)
def text(
    request: Request, library: InLibrary, document_id: IdInPath, span: Annotated[Span, Depends()]
) -> Response:
    """As parsed. An id that itself ends in `/text` is written with `%2Ftext`."""
    if _belongs_to_id(request, "text"):
        return _answer_document(library, f"{document_id}/text")

    def look(document: Document) -> Response:
        pieces = excerpt(library.parts.blobs.pieces(document.text_key), span.start, span.end)
        # Read two pieces now: an error can still be answered, and a short text needs no stream.
        first, second = next(pieces, b""), next(pieces, None)
        nosniff = {"X-Content-Type-Options": "nosniff"}
        if second is None:
            return Response(first, media_type="text/plain", headers=nosniff)
        return StreamingResponse(chain((first, second), pieces), media_type="text/plain", headers=nosniff)

    return library.read(document_id, look)


@router.head("/{document_id:path}/content", response_class=Response, include_in_schema=False)
@router.get(
    "/{document_id:path}/content",
    response_class=Response,
    responses=_ORIGINAL,
    summary="The document as it was sent",
)
def content(request: Request, library: InLibrary, document_id: IdInPath) -> Response:
    """For a URL, what was fetched from it. Takes `Range`, `If-Range` and `If-None-Match`. An id that
    itself ends in `/content` is written with `%2Fcontent`."""
    if _belongs_to_id(request, "content"):
        return _answer_document(library, f"{document_id}/content")
    return library.read(document_id, lambda document: _original(request, library.parts.blobs, document))


def _original(request: Request, blobs: BlobStore, document: Document) -> Response:
    """The file, or the part of it that the request asks for (RFC 9110)."""
    size, sent = blobs.length(document.source_key), request.headers
    # Each version has its bytes under a key of its own, which never change.
    tag = f'"{sha256(document.source_key.encode()).hexdigest()[:32]}"'
    headers = {
        **_INERT,
        "ETag": tag,
        "Content-Type": document.media_type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_filename(document), safe='')}",
    }
    known = {each.strip().removeprefix("W/") for each in sent.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    # A client that continues a partial copy must have begun it with the same bytes.
    in_part = request.method == "GET" and sent.get("if-range", tag) == tag
    try:
        asked = range_of(sent.get("range"), size) if in_part else None
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
    pieces = blobs.pieces(document.source_key, start, end, at_once=_PIECE)
    first = next(pieces, b"")  # now, so that an error can still be answered
    return StreamingResponse(chain((first,), pieces), status, headers)


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
    library: InLibrary,
    document_id: IdInPath,
    paging: Paged,
    chunk_id: Annotated[
        str | None, Query(max_length=64, description="The one passage that a citation names")
    ] = None,
) -> Response:
    """In the order of the text. A passage of a version that was replaced since is not there (404). An id
    that itself ends in `/chunks` is written with `%2Fchunks`."""
    if _belongs_to_id(request, "chunks"):
        return _answer_document(library, f"{document_id}/chunks")
    blobs = library.parts.blobs
    page = library.read(document_id, lambda document: _page(blobs, document, paging, chunk_id))
    return Response(page.model_dump_json(), media_type="application/json")


def _page(blobs: BlobStore, document: Document, paging: Paging, chunk_id: str | None) -> Page[ChunkOut]:
    """A page of passages, or the one with ``chunk_id``. NotFound, InvalidCursor."""
    try:
        places = unpack_places(blobs.get(chunks_key(document.text_key)))
    except NotFound as error:
        raise NotFound(
            f"Document {document.document_id!r} was ingested by an earlier version of Aegis, which did not "
            "store where its passages are: send it again, which costs no embedding"
        ) from error
    if chunk_id is not None:
        for index, place in enumerate(places):
            if place.chunk_id == chunk_id:
                return Page[ChunkOut](items=_chunks(blobs, document, [place], index), next=None)
        raise NotFound(
            f"Document {document.document_id!r} has no passage {chunk_id!r}; it may have been replaced"
        )
    version, _, begin = (paging.cursor or f"{document.version}.0").partition(".")
    if version != str(document.version):
        raise InvalidCursor("cursor: the document was replaced meanwhile; leave it out to start again")
    start, end = int(begin), int(begin) + paging.limit
    items = _chunks(blobs, document, places[start:end], start)
    following = encode_cursor(f"{document.version}.{end}", paging.path) if end < len(places) else None
    return Page[ChunkOut](items=items, next=following)


def _chunks(blobs: BlobStore, document: Document, places: list[Place], start: int) -> list[ChunkOut]:
    """The passages at ``places``, the first of which has the index ``start``."""
    if not places:
        return []
    # One read, from the first passage to the last: passages may overlap.
    first, last = places[0].first, max(place.last for place in places)
    text = b"".join(blobs.pieces(document.text_key, first, last))
    return [
        ChunkOut.copy_from(
            place,
            index=index,
            headings=list(place.headings),
            text=text[place.first - first : place.last - first].decode(),
        )
        for index, place in enumerate(places, start)
    ]
