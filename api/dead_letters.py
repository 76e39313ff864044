"""/v1/dead-letters: jobs that were given up. Read them, run them again, or drop them.

As with jobs, one of a collection outside the key's scope is not there for that key.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from api.access import Caller
from api.bodies import CollectionName
from api.dead_letter_schemas import DeadLetterOut, Dropped, Reason, Replayed, ReplayIn
from api.gate import Call, ReadCall, WriteCall
from api.jobs import visible_job
from api.openapi import LOCATION, body_of, problems
from api.paging import Paged
from api.schemas import JobOut, Page, Submitted, page_of
from api.sent import sent
from api.submits import job_response, submitted
from rag.errors import InvalidRequest, NotFound
from rag.model import JobKind, JobState

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])


def _scope(caller: Caller, collection: str | None) -> tuple[str, ...] | None:
    """The collections that are meant; None: all. Forbidden outside the caller's."""
    if collection is None:
        return caller.collections
    caller.must_reach(collection)
    return (collection,)


def _kinds(caller: Caller) -> frozenset[JobKind]:
    """What the caller may run again or give up."""
    return frozenset(kind for kind in JobKind if caller.steers(kind))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are meant."""

    reason: Annotated[Reason | None, Query()] = None
    collection: Annotated[CollectionName | None, Query()] = None


@router.get("", responses=problems(400), summary="List dead letters")
def dead_letters(call: ReadCall, wanted: Annotated[Wanted, Depends()], paging: Paged) -> Page[DeadLetterOut]:
    """Newest first."""
    window = call.parts.jobs.dead(
        reason=wanted.reason,
        collections=_scope(call.caller, wanted.collection),
        asker=call.caller.asker,
        cursor=paging.cursor,
        limit=paging.limit,
    )
    return page_of(map(DeadLetterOut.of, window.items), window, paging.of)


@router.get("/{job_id}", responses=problems(404), summary="One dead letter")
def dead_letter(call: ReadCall, job_id: str) -> DeadLetterOut:
    """What the job was given, and why it was given up."""
    job = visible_job(call, job_id)
    if job.state is not JobState.DEAD:
        raise NotFound(f"Job {job_id!r} is no dead letter: it is {job.state}")
    return DeadLetterOut.of(job)


@router.post(
    "/{job_id}/replay",
    status_code=202,
    response_model=Submitted,
    responses={202: LOCATION, **problems(404, 409)},
    summary="Run a dead letter again",
)
def replay(call: WriteCall, job_id: str) -> Response:
    """Resumes at the stage where the job died, with all its attempts. 409 when it is not dead."""
    call.caller.must_steer(visible_job(call, job_id).kind)
    call.parts.broker.check()
    return submitted(call.parts, call.parts.submissions.dead_letters.replay(job_id))


@router.post(
    "/replay",
    status_code=202,
    response_model_exclude_none=True,
    responses=problems(400, 408, 413, 415),
    openapi_extra=body_of(ReplayIn),
    summary="Run dead letters again",
)
async def replay_all(call: WriteCall) -> Replayed:
    """Those of a reason, of a collection, or all, as long as the queue has room."""
    return await call.work(_replay, call, await sent(call, ReplayIn))


def _replay(call: Call, wanted: ReplayIn) -> Replayed:
    scope = _scope(call.caller, wanted.collection)
    call.parts.broker.check()
    replayed, left = call.parts.submissions.dead_letters.replay_all(wanted.reason, scope, _kinds(call.caller))
    return Replayed(replayed=replayed, left=left or None)


@router.delete(
    "/{job_id}",
    status_code=202,
    response_model=JobOut,
    responses={202: LOCATION, **problems(404, 409)},
    summary="Drop a dead letter",
)
def drop(call: WriteCall, job_id: str) -> Response:
    """The job counts as failed from then on, and what it stored goes. 409 when it is not dead."""
    call.caller.must_steer(visible_job(call, job_id).kind)
    return job_response(call.parts.submissions.dead_letters.drop(job_id), 202)


@router.delete("", status_code=202, responses=problems(), summary="Drop dead letters")
def drop_all(
    call: WriteCall,
    wanted: Annotated[Wanted, Depends()],
    every: Annotated[bool, Query(alias="all", description="Meant for all, whatever their reason")] = False,
) -> Dropped:
    """Those of a reason or of a collection; without either only with `all=true`."""
    if wanted.reason is None and wanted.collection is None and not every:
        raise InvalidRequest("Name a reason or a collection, or say all=true")
    scope = _scope(call.caller, wanted.collection)
    dropped = call.parts.submissions.dead_letters.drop_all(wanted.reason, scope, _kinds(call.caller))
    return Dropped(dropped=dropped)
