"""/v1/queries."""

from fastapi import APIRouter
from fastapi.responses import Response

from api.bodies import QueryIn
from api.gate import Call, ReadCall
from api.openapi import submit_answers, submit_of
from api.schemas import Submitted
from api.sent import sent
from api.submits import Terms, answered, owner_of, submit_once, terms_of
from rag.ports import Accepted

router = APIRouter(prefix="/v1/queries", tags=["queries"])


@router.post(
    "",
    status_code=202,
    response_model=Submitted,
    responses=submit_answers(400, 404, 408, 413, 415),
    openapi_extra=submit_of(QueryIn),
    summary="Ask a question",
)
async def ask(call: ReadCall) -> Response:
    """`result` has the answer, its citations, and the passages after reranking as `hits`.

    `reasoning` is there too where a model thought before it answered.
    """
    terms = terms_of(call.request)
    body = await sent(call, QueryIn)
    accepted = await call.work(_accept, call, body, terms)
    return await answered(call, accepted, terms)


def _accept(call: Call, body: QueryIn, terms: Terms) -> Accepted:
    question = body.question_with(call.parts.settings)
    call.caller.must_reach(question.collection)
    idempotency = terms.idempotency(call.caller, body.model_dump(exclude_unset=True))
    owner, submissions = owner_of(call.caller), call.parts.submissions
    return submit_once(call.parts, idempotency, lambda: submissions.ask(question, idempotency, owner=owner))
