"""/v1/collections."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from api.bodies import CollectionName, ReindexIn
from api.gate import Call, ReadCall, WriteCall
from api.openapi import LOCATION, problems, submit_answers, submit_of
from api.paging import Sliced
from api.schemas import CollectionOut, Page, Submitted, page_of
from api.sent import sent
from api.submits import Terms, answered, owner_of, submit_once, submitted, terms_of
from rag.errors import UnknownCollection
from rag.ports import Accepted

router = APIRouter(prefix="/v1/collections", tags=["collections"])

Name = Annotated[CollectionName, Path()]


@router.get("", responses=problems(400), summary="List collections")
def collections(call: ReadCall, slicing: Sliced) -> Page[CollectionOut]:
    """Those within the key's scope, by name."""
    seen = [(c.name, c) for c in call.parts.documents.collections() if call.caller.reaches(c.name)]
    window = slicing.window(seen)
    return page_of(map(CollectionOut.of, window.items), window, slicing.of)


@router.put(
    "/{name}",
    response_model=CollectionOut,
    responses={200: {"description": "It was there"}, 201: {"model": CollectionOut}, **problems(409)},
    summary="Make a collection",
)
def put(call: WriteCall, name: Name, response: Response) -> CollectionOut:
    """With the embedding model in use; 409 when it is there with another one."""
    call.caller.must_reach(name)
    settings = call.parts.settings
    collection, new = call.parts.documents.put_collection(
        name, settings.embedding_name, settings.dimension, most=settings.max_collections
    )
    response.status_code = 201 if new else 200
    return CollectionOut.of(collection)


@router.get("/{name}", responses=problems(404), summary="One collection")
def collection(call: ReadCall, name: Name) -> CollectionOut:
    call.caller.must_reach(name)
    found = call.parts.documents.collection(name)
    if found is None:
        raise UnknownCollection(f"There is no collection {name!r}")
    return CollectionOut.of(found)


@router.delete(
    "/{name}",
    status_code=202,
    response_model=Submitted,
    responses={202: LOCATION, **problems(404)},
    summary="Delete a collection",
)
def delete(call: WriteCall, name: Name) -> Response:
    """No search finds anything of it from the moment of the answer; the job removes what it occupies."""
    call.caller.must_reach(name)
    call.parts.broker.check()
    job = call.parts.submissions.drop_collection(name, owner=owner_of(call.caller))
    return submitted(call.parts, job)


@router.post(
    "/{name}/reindex",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(400, 404, 408, 409, 413, 415),
    openapi_extra=submit_of(ReindexIn),
    summary="Change a collection's embedding model",
)
async def reindex(call: WriteCall, name: Name) -> Response:
    """The job embeds the documents anew, compares what both models find, and switches, while questions are
    answered and documents taken in as ever. The former vectors are kept for REINDEX_KEEP_HOURS."""
    terms = terms_of(call.request)
    body = await sent(call, ReindexIn)
    accepted = await call.work(_accept, call, name, body, terms)
    return await answered(call, accepted, terms)


def _accept(call: Call, name: str, body: ReindexIn, terms: Terms) -> Accepted:
    call.caller.must_reach(name)
    idempotency = terms.idempotency(call.caller, body.model_dump(exclude_unset=True))
    owner, layouts = owner_of(call.caller), call.parts.submissions.layouts
    return submit_once(
        call.parts, idempotency, lambda: layouts.reindex(body.of(name), idempotency, owner=owner)
    )


@router.post("/{name}/rollback", responses=problems(404, 409), summary="Take the last reindex back")
def roll_back(call: WriteCall, name: Name) -> CollectionOut:
    """Takes effect at once; nothing written since is missing. 409 when the former vectors are not kept."""
    call.caller.must_reach(name)
    return CollectionOut.of(call.parts.submissions.layouts.roll_back(name))


@router.post("/{name}/finish", responses=problems(404, 409), summary="Give up the vectors that do not serve")
def finish(call: WriteCall, name: Name) -> CollectionOut:
    """Those kept for a rollback, or what a reindex that failed has left. 409 while one is at work."""
    call.caller.must_reach(name)
    return CollectionOut.of(call.parts.submissions.layouts.finish(name))
