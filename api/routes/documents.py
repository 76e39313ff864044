"""/v1/documents. A document_id may hold slashes.

``/text``, ``/content`` and ``/chunks`` behind an id are in :mod:`api.routes.contents`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import IO, Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.calls.auth import Call, ReadCall, WriteCall
from api.calls.json_body import media_type, read_body
from api.calls.openapi import body_of, document_body, job_route, problems, submit_route
from api.calls.parts import Parts
from api.calls.submission import accept_once, answer_submit, submit_idempotently, submitted_response
from api.calls.uploads import Received, from_json, from_multipart, too_large
from api.incoming.receiving import MIB, Limit
from api.schemas.answers import DocumentOut, Page, Submitted, page_of
from api.schemas.bodies import CollectionName, DocumentChangeIn, DocumentId, OnConflict
from api.schemas.paging import Paged
from rag.errors import NotFound, UnexpectedType, UnknownCollection
from rag.model import Document
from rag.ports import Accepted
from rag.settings import Settings
from tasks.submit.submissions import Change, Idempotency

router = APIRouter(prefix="/v1/documents", tags=["documents"])

Answer = TypeVar("Answer")

Reader = Callable[[IO[bytes], Settings], AbstractContextManager[Received]]

InCollection = Annotated[
    CollectionName | None, Query(alias="collection", description="Unset: COLLECTION_NAME")
]
IdInPath = Annotated[DocumentId, Path()]


@router.post("", **submit_route(400, 408, 413, 415, body=document_body()), summary="Ingest a document")
async def ingest(
    call: WriteCall,
    on_conflict: Annotated[OnConflict | None, Query(description="As the field of the body")] = None,
) -> Response:
    """Exactly one of `file`, `text` and `url`. A file's name is its `document_id` unless one is sent. Sending
    a `document_id` again replaces that document, unless `on_conflict` is `keep`; the same content again costs
    nothing. An unknown collection is made."""
    read: Reader
    match media_type(call.request):
        case "multipart/form-data":
            read = partial(from_multipart, call.request.headers["content-type"])
        case "application/json":
            read = from_json
        case _:
            raise UnexpectedType("Send multipart/form-data with a file, or application/json with text or url")
    settings, owner = call.parts.settings, call.quota_key
    # The fields of a form may have another MiB beside the document.
    limit = Limit(settings.max_upload_mb * MIB + MIB, too_large(settings))
    async with call.parts.bodies.document(call.request, owner, limit) as body, call.parts.uploads.hold(owner):
        accepted = await run_in_threadpool(_accept, call, partial(read, body), on_conflict)
    return await answer_submit(call, accepted)


def _accept(
    call: Call, read: Callable[[Settings], AbstractContextManager[Received]], on_conflict: OnConflict | None
) -> Accepted:
    submissions = call.parts.submissions
    with read(call.parts.settings) as sent:
        received = sent.on_conflict(on_conflict)
        call.caller.must_reach(received.ingestion.collection)
        return accept_once(
            call, received.body, lambda key, owner: submissions.ingest(received.ingestion, key, owner=owner)
        )


@router.get("", responses=problems(400, 404), summary="List a collection's documents")
def documents(call: ReadCall, paging: Paged, collection: InCollection = None) -> Page[DocumentOut]:
    """By document id, ascending."""
    name = call.collection(collection)
    # The default collection need not exist yet: it is then empty.
    if name != call.parts.settings.collection_name and call.parts.documents.collection(name) is None:
        raise UnknownCollection(f"There is no collection {name!r}")
    window = call.parts.documents.page(name, cursor=paging.cursor, limit=paging.limit)
    return page_of(map(DocumentOut.of, window.items), window, paging.path)


@dataclass(frozen=True, slots=True)
class Library:
    """A collection that the caller may read."""

    parts: Parts
    collection: str

    def document(self, document_id: str) -> Document:
        """NotFound when it does not exist."""
        document = self.parts.documents.get(self.collection, document_id)
        if document is None:
            raise NotFound(f"There is no document {document_id!r} in collection {self.collection!r}")
        return document

    def read(self, document_id: str, look: Callable[[Document], Answer]) -> Answer:
        """The result of ``look``, which reads blobs of the document.

        NotFound where the document does not exist, or its blobs are gone.
        """
        document = self.document(document_id)
        while True:
            try:
                return look(document)
            except NotFound:
                # Its blobs are gone: where a newer version has replaced it meanwhile, that one is read.
                looked_at, document = document, self.document(document_id)
                if document.version == looked_at.version:
                    raise


async def library(call: ReadCall, collection: InCollection = None) -> Library:
    return Library(call.parts, call.collection(collection))


InLibrary = Annotated[Library, Depends(library)]


@router.get("/{document_id:path}", responses=problems(404), summary="One document")
def document(library: InLibrary, document_id: IdInPath) -> DocumentOut:
    """The version that searches see now."""
    return DocumentOut.of(library.document(document_id))


@router.patch(
    "/{document_id:path}",
    **submit_route(404, 408, 409, 413, 415, body=body_of(DocumentChangeIn)),
    summary="Change a document's title or metadata",
)
async def change(call: WriteCall, document_id: IdInPath, collection: InCollection = None) -> Response:
    """Nothing is embedded again. The job makes a new version, and searches see the present one until the new
    one is complete. 409 while another version of the document is being made."""
    name = call.collection(collection)
    asked = await read_body(call, DocumentChangeIn)

    def submit(key: Idempotency | None, owner: str) -> Accepted:
        document = Library(call.parts, name).document(document_id)
        change = Change(asked.title, asked.metadata_with(document.metadata))
        return call.parts.submissions.changes.change(document, change, key, owner=owner)

    body = {**asked.model_dump(exclude_unset=True), "collection": name}
    return await submit_idempotently(call, body, submit)


@router.delete("/{document_id:path}", **job_route(Submitted, 404), summary="Delete a document")
def delete(call: WriteCall, document_id: IdInPath, collection: InCollection = None) -> Response:
    """As soon as this is answered no search finds it; the job removes its data."""
    call.parts.broker.check()
    name, owner = call.collection(collection), call.caller.owner
    job = call.parts.submissions.delete_document(name, document_id, owner=owner)
    return submitted_response(call.parts, job)
