"""/v1/documents. A document_id may hold slashes; ``/text`` behind one asks for its text.

What else is behind an id is in :mod:`api.contents`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import IO, Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse

from api.bodies import CollectionName, DocumentChangeIn, DocumentId, OnConflict
from api.excerpts import excerpt
from api.forms import parsed_form
from api.gate import Call, ReadCall, WriteCall
from api.openapi import LOCATION, problems, submit_answers, submit_body, submit_of
from api.paging import Paged
from api.parts import Parts
from api.receiving import MIB, Limit
from api.schemas import DocumentOut, Page, Submitted, page_of
from api.sent import media_type, sent
from api.submits import Terms, answered, owner_of, submit_once, submitted, terms_of
from api.uploads import Received, from_form, from_json, too_large
from rag.errors import NotFound, UnexpectedType, UnknownCollection
from rag.model import Document
from rag.ports import Accepted, BlobStore
from rag.settings import Settings
from tasks.submit import Change

router = APIRouter(prefix="/v1/documents", tags=["documents"])

Answer = TypeVar("Answer")

Reader = Callable[[IO[bytes], Settings], AbstractContextManager[Received]]

InCollection = Annotated[
    CollectionName | None, Query(alias="collection", description="Unset: COLLECTION_NAME")
]
IdInPath = Annotated[DocumentId, Path()]


@router.post(
    "",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(400, 408, 413, 415),
    openapi_extra=submit_body(),
    summary="Ingest a document",
)
async def ingest(
    call: WriteCall,
    on_conflict: Annotated[OnConflict | None, Query(description="As the field of the body")] = None,
) -> Response:
    """Exactly one of `file`, `text` and `url`. A file's name is its `document_id` unless one is sent. Sending
    a `document_id` again replaces that document, unless `on_conflict` is `keep`; the same content again costs
    nothing. An unknown collection is made."""
    terms = terms_of(call.request)
    read = _reader(call.request)
    settings = call.parts.settings
    limit = Limit(settings.max_upload_mb * MIB + MIB, too_large(settings))
    receptions, owner = call.parts.receptions, call.holder
    async with receptions.document(call.request, owner, limit) as body, call.parts.uploads.taken(owner):
        accepted = await run_in_threadpool(_taken_in, call, partial(read, body), terms, on_conflict)
    return await answered(call, accepted, terms)


def _reader(request: Request) -> Reader:
    """How the body is read, by its type. UnexpectedType."""
    match media_type(request):
        case "multipart/form-data":
            return partial(_form, request.headers["content-type"])
        case "application/json":
            return from_json
    raise UnexpectedType("Send multipart/form-data with a file, or application/json with text or url")


@contextmanager
def _form(content_type: str, body: IO[bytes], settings: Settings) -> Iterator[Received]:
    with parsed_form(body, content_type) as form:
        yield from_form(form, settings)


def _taken_in(
    call: Call,
    read: Callable[[Settings], AbstractContextManager[Received]],
    terms: Terms,
    on_conflict: OnConflict | None,
) -> Accepted:
    with read(call.parts.settings) as received:
        return _accept(call, received.on_conflict(on_conflict), terms)


def _accept(call: Call, received: Received, terms: Terms) -> Accepted:
    call.caller.must_reach(received.ingestion.collection)
    idempotency = terms.idempotency(call.caller, received.body)
    owner, submissions = owner_of(call.caller), call.parts.submissions
    return submit_once(
        call.parts,
        idempotency,
        lambda: submissions.ingest(received.ingestion, idempotency, owner=owner),
    )


@router.get("", responses=problems(400, 404), summary="List a collection's documents")
def documents(call: ReadCall, paging: Paged, collection: InCollection = None) -> Page[DocumentOut]:
    """By document id, ascending."""
    name = call.collection(collection)
    if name != call.parts.settings.collection_name and call.parts.documents.collection(name) is None:
        raise UnknownCollection(f"There is no collection {name!r}")
    window = call.parts.documents.page(name, cursor=paging.cursor, limit=paging.limit)
    return page_of(map(DocumentOut.of, window.items), window, paging.of)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A collection that the caller may read."""

    parts: Parts
    collection: str

    def document(self, document_id: str) -> Document:
        """NotFound when it is not there."""
        document = self.parts.documents.get(self.collection, document_id)
        if document is None:
            raise NotFound(f"There is no document {document_id!r} in collection {self.collection!r}")
        return document

    def read(self, document_id: str, look: Callable[[Document], Answer]) -> Answer:
        """What ``look`` makes of the document; of the next version where this one is replaced under it.

        NotFound where it is not there, or its blobs are gone.
        """
        document = self.document(document_id)
        while True:
            try:
                return look(document)
            except NotFound:
                looked_at, document = document, self.document(document_id)
                if document.version == looked_at.version:
                    raise


async def _shelf(call: ReadCall, collection: InCollection = None) -> Shelf:
    return Shelf(call.parts, call.collection(collection))


OnShelf = Annotated[Shelf, Depends(_shelf)]


@dataclass(frozen=True, slots=True)
class Span:
    """Characters, counted as citations count them; ``end`` None: to the last."""

    start: Annotated[int, Query(ge=0, description="First character")] = 0
    end: Annotated[int | None, Query(ge=0, description="First character after; unset: all")] = None


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
    request: Request, shelf: OnShelf, document_id: IdInPath, span: Annotated[Span, Depends()]
) -> Response:
    """As parsed. An id that itself ends in `/text` is written with `%2Ftext`."""
    if belongs_to_id(request, "text"):
        return shown(shelf, f"{document_id}/text")
    return shelf.read(document_id, lambda document: _excerpt(shelf.parts.blobs, document, span))


def _excerpt(blobs: BlobStore, document: Document, span: Span) -> Response:
    pieces = excerpt(blobs.pieces(document.text_key), span.start, span.end)
    first, second = next(pieces, b""), next(pieces, None)  # here, so that what goes wrong is answered
    nosniff = {"X-Content-Type-Options": "nosniff"}
    if second is None:
        return Response(first, media_type="text/plain", headers=nosniff)
    return StreamingResponse(chain((first, second), pieces), media_type="text/plain", headers=nosniff)


@router.get("/{document_id:path}", responses=problems(404), summary="One document")
def document(shelf: OnShelf, document_id: IdInPath) -> DocumentOut:
    """The version that searches see now."""
    return DocumentOut.of(shelf.document(document_id))


@router.patch(
    "/{document_id:path}",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(404, 408, 409, 413, 415),
    openapi_extra=submit_of(DocumentChangeIn),
    summary="Change a document's title or metadata",
)
async def change(call: WriteCall, document_id: IdInPath, collection: InCollection = None) -> Response:
    """Nothing is embedded anew. The job makes a version that searches see once it is whole; until then they
    see the present one. 409 while another version of the document is on its way."""
    name, terms = call.collection(collection), terms_of(call.request)
    asked = await sent(call, DocumentChangeIn)
    accepted = await call.work(_changed, call, Shelf(call.parts, name), document_id, asked, terms)
    return await answered(call, accepted, terms)


def _changed(call: Call, shelf: Shelf, document_id: str, asked: DocumentChangeIn, terms: Terms) -> Accepted:
    body = {**asked.model_dump(exclude_unset=True), "collection": shelf.collection}
    idempotency = terms.idempotency(call.caller, body)

    def submit() -> Accepted:
        document = shelf.document(document_id)
        change = Change(asked.title, asked.metadata_with(document.metadata))
        desk, owner = call.parts.submissions.changes, owner_of(call.caller)
        return desk.change(document, change, idempotency, owner=owner)

    return submit_once(call.parts, idempotency, submit)


@router.delete(
    "/{document_id:path}",
    status_code=202,
    response_model=Submitted,
    responses={202: LOCATION, **problems(404)},
    summary="Delete a document",
)
def delete(call: WriteCall, document_id: IdInPath, collection: InCollection = None) -> Response:
    """No search finds it from the moment of the answer; the job removes what it occupies."""
    call.parts.broker.check()
    name, owner = call.collection(collection), owner_of(call.caller)
    job = call.parts.submissions.delete_document(name, document_id, owner=owner)
    return submitted(call.parts, job)


def belongs_to_id(request: Request, word: str) -> bool:
    """Whether the path's last ``/word`` was sent with an encoded slash, so is of the id."""
    end = f"/{word}".encode()
    raw = request.scope.get("raw_path") or end
    return not bytes(raw).partition(b"?")[0].endswith(end)


def shown(shelf: Shelf, document_id: str) -> Response:
    """The document itself, where a path turned out to be its id."""
    found = DocumentOut.of(shelf.document(document_id))
    return Response(found.model_dump_json(), media_type="application/json")
