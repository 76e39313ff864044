"""/v1/collections."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from api.calls.auth import ReadCall, WriteCall
from api.calls.json_body import read_body
from api.calls.openapi import body_of, job_route, problems, submit_route
from api.calls.submission import submit_idempotently, submitted_response
from api.schemas.answers import CollectionOut, Page, Submitted, page_of
from api.schemas.bodies import CollectionName, ReindexIn
from api.schemas.paging import Sliced
from rag.errors import UnknownCollection

router = APIRouter(prefix="/v1/collections", tags=["collections"])

Name = Annotated[CollectionName, Path()]


@router.get("", responses=problems(400), summary="List collections")
def collections(call: ReadCall, slicing: Sliced) -> Page[CollectionOut]:
    """Those within the key's scope, by name."""
    seen = [(c.name, c) for c in call.parts.documents.collections() if call.caller.reaches(c.name)]
    window = slicing.window(seen)
    return page_of(map(CollectionOut.of, window.items), window, slicing.path)


@router.put(
    "/{name}",
    response_model=CollectionOut,
    responses={200: {"description": "It was there"}, 201: {"model": CollectionOut}, **problems(409)},
    summary="Make a collection",
)
def put(call: WriteCall, name: Name, response: Response) -> CollectionOut:
    """With the embedding model in use; 409 when it exists with another one."""
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


@router.delete("/{name}", **job_route(Submitted, 404), summary="Delete a collection")
def delete(call: WriteCall, name: Name) -> Response:
    """As soon as this is answered no search finds anything of it; the job removes its data."""
    call.caller.must_reach(name)
    call.parts.broker.check()
    job = call.parts.submissions.drop_collection(name, owner=call.caller.owner)
    return submitted_response(call.parts, job)


@router.post(
    "/{name}/reindex",
    **submit_route(400, 404, 408, 409, 413, 415, body=body_of(ReindexIn)),
    summary="Change a collection's embedding model",
)
async def reindex(call: WriteCall, name: Name) -> Response:
    """The job embeds the documents again, compares what both models find, and switches. Meanwhile questions
    are answered and documents are ingested as before. The former vectors are kept for REINDEX_KEEP_HOURS."""
    body = await read_body(call, ReindexIn)
    call.caller.must_reach(name)
    return await submit_idempotently(
        call,
        body.model_dump(exclude_unset=True),
        lambda key, owner: call.parts.submissions.layouts.reindex(body.of(name), key, owner=owner),
    )


@router.post("/{name}/rollback", responses=problems(404, 409), summary="Take the last reindex back")
def roll_back(call: WriteCall, name: Name) -> CollectionOut:
    """Takes effect at once, and keeps everything written since. 409 when the former vectors are gone."""
    call.caller.must_reach(name)
    return CollectionOut.of(call.parts.submissions.layouts.roll_back(name))


@router.post("/{name}/finish", responses=problems(404, 409), summary="Give up the vectors that do not serve")
def finish(call: WriteCall, name: Name) -> CollectionOut:
    """Those kept for a rollback, or left by a reindex that failed. 409 while a reindex runs."""
    call.caller.must_reach(name)
    return CollectionOut.of(call.parts.submissions.layouts.finish(name))
