"""/v1/queries."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.calls.auth import ReadCall
from api.calls.json_body import read_body
from api.calls.openapi import body_of, submit_route
from api.calls.submission import submit_idempotently
from api.schemas.bodies import QueryIn

router = APIRouter(prefix="/v1/queries", tags=["queries"])


@router.post("", **submit_route(400, 404, 408, 413, 415, body=body_of(QueryIn)), summary="Ask a question")
async def ask(call: ReadCall) -> Response:
    """`result` has the answer, its citations, and the passages after reranking as `hits`.

    It has `reasoning` too where the model wrote down its reasoning before the answer.
    """
    body = await read_body(call, QueryIn)
    question = body.question_with(call.parts.settings)
    call.caller.must_reach(question.collection)
    return await submit_idempotently(
        call,
        body.model_dump(exclude_unset=True),
        lambda key, owner: call.parts.submissions.ask(question, key, owner=owner),
    )
