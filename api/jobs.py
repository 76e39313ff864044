"""/v1/jobs. A job of a collection outside the key's scope is not there for that key, nor is another key's
question for one with role ``read``."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from api.access import Caller
from api.bodies import CollectionName, DocumentId
from api.gate import Call, ReadCall
from api.openapi import LOCATION, problems
from api.paging import Paged
from api.schemas import JobOut, Page, page_of
from api.submits import job_response
from api.waiting import LONGEST_WAIT, no_such_job, settled
from rag.model import Job, JobKind, JobState

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

Wait = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT, allow_inf_nan=False, description="Seconds to wait for the job's end")
]


def visible_job(call: Call, job_id: str) -> Job:
    """The record. NotFound when there is none within the caller's scope, as when there is none at all."""
    caller = call.caller
    job = call.parts.jobs.get(job_id, collections=caller.collections, asker=caller.asker)
    if job is None:
        raise no_such_job(job_id)
    return job


@router.get("/{job_id}", responses=problems(404), summary="One job")
async def job(call: ReadCall, job_id: str, wait: Wait = 0) -> JobOut:
    """With `wait`, answers as soon as the job is over, or as it stands after that many seconds."""
    job = await call.work(visible_job, call, job_id)
    if wait and not job.state.final:
        with call.parts.waits.taken(call.holder):
            job = await settled(call.parts, call.request, job.id, wait)
    return JobOut.of(job)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs a listing shows."""

    state: Annotated[frozenset[JobState], Query(description="Repeated: in any of these")] = frozenset()
    kind: Annotated[frozenset[JobKind], Query(description="Repeated: of any of these")] = frozenset()
    collection: Annotated[CollectionName | None, Query()] = None
    document_id: Annotated[
        DocumentId | None, Query(description="Those that bring or delete the document of this id")
    ] = None

    def scope(self, caller: Caller) -> tuple[str, ...] | None:
        """The collections that are shown; None: all. Forbidden outside the caller's."""
        if self.collection is None:
            return caller.collections
        caller.must_reach(self.collection)
        return (self.collection,)


@router.get("", responses=problems(400), summary="List jobs")
def jobs(call: ReadCall, wanted: Annotated[Wanted, Depends()], paging: Paged) -> Page[JobOut]:
    """Newest first."""
    scope = wanted.scope(call.caller)
    window = call.parts.jobs.page(
        states=wanted.state,
        kinds=wanted.kind,
        collections=scope,
        document_id=wanted.document_id,
        asker=call.caller.asker,
        cursor=paging.cursor,
        limit=paging.limit,
    )
    return page_of(map(JobOut.of, window.items), window, paging.of)


@router.delete(
    "/{job_id}",
    status_code=202,
    response_model=JobOut,
    responses={202: LOCATION, **problems(404, 409)},
    summary="Cancel a job",
)
def cancel(call: ReadCall, job_id: str) -> Response:
    """Takes effect between stages, and within the writing of an answer. 409 when the job is over."""
    call.caller.must_steer(visible_job(call, job_id).kind)
    return job_response(call.parts.submissions.cancel(job_id), 202)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=JobOut,
    responses={202: LOCATION, **problems(404, 409)},
    summary="Run a job again",
)
def retry(call: ReadCall, job_id: str) -> Response:
    """Resumes a failed, dead or cancelled job at the stage where it ended. 409 for any other."""
    call.caller.must_steer(visible_job(call, job_id).kind)
    call.parts.broker.check()
    return job_response(call.parts.submissions.retry(job_id), 202)
