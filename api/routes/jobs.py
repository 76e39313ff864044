"""/v1/jobs. A job of a collection outside the key's scope does not exist for that key, nor does another
key's question for one with role ``read``."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from api.access.access import Caller
from api.calls.auth import AdminCall, Call, ReadCall
from api.calls.openapi import job_route, problems
from api.calls.submission import job_response
from api.calls.waiting import LONGEST_WAIT, no_such_job, wait_for_end
from api.schemas.answers import JobOut, Page, page_of
from api.schemas.bodies import CollectionName, DocumentId
from api.schemas.paging import Paged
from api.schemas.waits import StuckOut, UnstuckOut
from rag.model import Job, JobKind, JobState

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

Wait = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT, allow_inf_nan=False, description="Seconds to wait for the job's end")
]


def visible_job(call: Call, job_id: str) -> Job:
    """The record. NotFound when there is none, or none within the caller's scope: the answer is the same."""
    caller = call.caller
    job = call.parts.jobs.get(job_id, collections=caller.collections, asker=caller.asker)
    if job is None:
        raise no_such_job(job_id)
    return job


def scope_of(caller: Caller, collection: str | None) -> tuple[str, ...] | None:
    """The collections that are meant; None: all. Forbidden outside the caller's."""
    if collection is None:
        return caller.collections
    caller.must_reach(collection)
    return (collection,)


@router.get("/stuck", responses=problems(403), summary="Jobs that wait unusually long")
def stuck(call: AdminCall) -> StuckOut:
    """Those that wait longer than is usual at their stage, by reason, with what to do. Of each stage, the 100
    that have been queued longest are looked at."""
    return StuckOut.of(call.parts.job_waits.stuck())


@router.post("/unstick", responses=problems(403), summary="Help jobs that wait")
def unstick(call: AdminCall) -> UnstuckOut:
    """Does what can neither lose nor double work: gives jobs whose worker is gone to another one, tells
    workers of due jobs again, and has jobs ended whose deadline has passed. Says what it did."""
    call.parts.broker.check()
    return UnstuckOut(done=call.parts.job_waits.unstick())


@router.get("/{job_id}", responses=problems(404), summary="One job")
async def job(call: ReadCall, job_id: str, wait: Wait = 0) -> JobOut:
    """With `wait`, answers as soon as the job is over, or with its present state after that many seconds."""
    job = await call.run_in_thread(visible_job, call, job_id)
    if wait and not job.state.final:
        with call.parts.waits.hold(call.quota_key):
            job = await wait_for_end(call.parts, call.request, job.id, wait)
    if job.state.final:
        return JobOut.of(job)
    return JobOut.of(job, await call.run_in_thread(call.parts.job_waits.wait_of, job))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs a listing shows."""

    state: Annotated[frozenset[JobState], Query(description="Repeated: in any of these")] = frozenset()
    kind: Annotated[frozenset[JobKind], Query(description="Repeated: of any of these")] = frozenset()
    collection: Annotated[CollectionName | None, Query()] = None
    document_id: Annotated[
        DocumentId | None, Query(description="Those that ingest or delete the document with this id")
    ] = None


@router.get("", responses=problems(400), summary="List jobs")
def jobs(call: ReadCall, wanted: Annotated[Wanted, Depends()], paging: Paged) -> Page[JobOut]:
    """Newest first."""
    window = call.parts.jobs.page(
        states=wanted.state,
        kinds=wanted.kind,
        collections=scope_of(call.caller, wanted.collection),
        document_id=wanted.document_id,
        asker=call.caller.asker,
        cursor=paging.cursor,
        limit=paging.limit,
    )
    waits = call.parts.job_waits
    return page_of((JobOut.of(job, waits.wait_of(job)) for job in window.items), window, paging.path)


@router.delete("/{job_id}", **job_route(JobOut, 404, 409), summary="Cancel a job")
def cancel(call: ReadCall, job_id: str) -> Response:
    """Takes effect between stages, and while an answer is written. 409 when the job is over."""
    call.caller.must_control(visible_job(call, job_id).kind)
    return job_response(call.parts.submissions.cancel(job_id), 202)


@router.post("/{job_id}/retry", **job_route(JobOut, 404, 409), summary="Run a job again")
def retry(call: ReadCall, job_id: str) -> Response:
    """Resumes a failed, dead or cancelled job at the stage where it ended. 409 for any other."""
    call.caller.must_control(visible_job(call, job_id).kind)
    call.parts.broker.check()
    return job_response(call.parts.submissions.retry(job_id), 202)
