"""/v1/queries."""

from typing import Annotated

from fastapi import APIRouter, Body
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from api.bodies import QueryIn
from api.gate import Call, ReadCall
from api.openapi import SUBMIT_HEADERS, submit_answers
from api.schemas import Submitted
from api.submits import Terms, answered, handed_in, owner_of, terms_of
from rag.ports import Accepted

router = APIRouter(prefix="/v1/queries", tags=["queries"])


@router.post(
    "",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(400, 404, 413),
    openapi_extra={"parameters": SUBMIT_HEADERS},
    summary="Ask a question",
)
async def ask(call: ReadCall, body: Annotated[QueryIn, Body()]) -> Response:
    """`result` has the answer, its citations, and the passages after reranking as `hits`.

    `reasoning` is there too where a model thought before it answered.
    """
    terms = terms_of(call.request)
    accepted = await run_in_threadpool(_accept, call, body, terms)
    return await answered(call.parts, accepted, terms)


def _accept(call: Call, body: QueryIn, terms: Terms) -> Accepted:
    question = body.question_with(call.parts.settings)
    call.caller.must_reach(question.collection)
    idempotency = terms.idempotency(call.caller, body.model_dump(exclude_unset=True))
    owner, submissions = owner_of(call.caller), call.parts.submissions
    return handed_in(call.parts, idempotency, lambda: submissions.ask(question, idempotency, owner=owner))
