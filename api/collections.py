"""/v1/collections."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from api.bodies import CollectionName
from api.gate import ReadCall, WriteCall
from api.openapi import LOCATION, problems
from api.schemas import CollectionOut, Page, Submitted
from api.submits import submitted
from rag.errors import UnknownCollection

router = APIRouter(prefix="/v1/collections", tags=["collections"])

Name = Annotated[CollectionName, Path()]


@router.get("", responses=problems(), summary="List collections")
def collections(call: ReadCall) -> Page[CollectionOut]:
    """Those within the key's scope, by name, all on one page."""
    seen = [CollectionOut.of(c) for c in call.parts.documents.collections() if call.caller.reaches(c.name)]
    return Page(items=seen, next=None)


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
    collection, new = call.parts.documents.put_collection(name, settings.embedding_name, settings.dimension)
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
    return submitted(call.parts, call.parts.submissions.drop_collection(name))
