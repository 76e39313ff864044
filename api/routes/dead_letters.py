"""/v1/dead-letters: jobs that were given up. Read them, run them again, or drop them.

As with jobs, one of a collection outside the key's scope does not exist for that key.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field, JsonValue

from api.calls.auth import Call, ReadCall, WriteCall
from api.calls.json_body import read_body
from api.calls.openapi import body_of, job_route, problems
from api.calls.submission import job_response, submitted_response
from api.routes.jobs import scope_of, visible_job
from api.schemas.answers import Answer, JobOut, Page, SubjectOut, Submitted, moment, page_of
from api.schemas.bodies import Body, CollectionName
from api.schemas.paging import Paged
from rag.errors import InvalidRequest, NotFound
from rag.fetching.urls import redacted
from rag.model import Job, JobKind, JobState, Stage

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])

Reason = Annotated[
    str,
    Field(
        pattern="^[a-z]+(-[a-z]+)*$",
        max_length=64,
        description="Class of the last error, such as unavailable, timed-out or crashed",
        examples=["unavailable"],
    ),
]

# Inputs of a job that a caller may see again; blob keys and versions are not among them.
_SHOWN = frozenset({
    "question", "top_k", "top_n", "where", "generate", "stream", "cache", "filename", "media_type", "url",
    "title", "metadata", "model", "dimension", "tolerance", "force", "mode", "trigger", "backup",
    "collection", "into", "at", "replay",
})  # fmt: skip


class ReplayIn(Body):
    """Which dead letters to run again; an empty object means all that the key reaches."""

    reason: Reason | None = None
    collection: CollectionName | None = None


class DeadLetterOut(Answer):
    """A job that was given up, and what it was about."""

    id: str = Field(description="The job's")
    kind: JobKind
    collection: str
    document_id: str | None
    subject: SubjectOut = Field(description="What it is about")
    stage: Stage = Field(description="Where it died")
    reason: str | None = Field(
        description="Class of its last error: the last part of a problem's type, or crashed",
        examples=["unavailable"],
    )
    error: dict[str, JsonValue] | None = Field(description="A problem that also has stage and attempts")
    attempts: int = Field(description="How often a worker began the stage")
    retries: int = Field(description="Attempts after the first, over all stages")
    created_at: datetime
    died_at: datetime
    inputs: dict[str, JsonValue] = Field(
        description="What was submitted: the question and its options, or where the document came from "
        "and what was said about it"
    )

    @classmethod
    def of(cls, job: Job) -> Self:
        # The filter has another name inside. A signed URL gives access, so it is shown without its query.
        inputs = {("filter" if k == "where" else k): value for k, value in job.inputs.items() if k in _SHOWN}
        if "url" in inputs:
            inputs["url"] = redacted(inputs["url"])
        return cls.copy_from(
            job,
            document_id=job.inputs.get("document_id"),
            subject=SubjectOut.of(job),
            died_at=moment(job.finished_at or job.created_at),
            inputs=inputs,
        )


class Replayed(BaseModel):
    replayed: int = Field(description="Jobs that were queued again")
    left: int | None = Field(None, description="Dead letters that had no room; absent where all had")


class Dropped(BaseModel):
    dropped: int = Field(description="Dead letters that were given up for good")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are meant."""

    reason: Annotated[Reason | None, Query()] = None
    collection: Annotated[CollectionName | None, Query()] = None


def _controlled(call: Call) -> frozenset[JobKind]:
    """The kinds of jobs that the caller may run again or drop."""
    return frozenset(kind for kind in JobKind if call.caller.may_control(kind))


@router.get("", responses=problems(400), summary="List dead letters")
def dead_letters(call: ReadCall, wanted: Annotated[Wanted, Depends()], paging: Paged) -> Page[DeadLetterOut]:
    """Newest first."""
    window = call.parts.jobs.dead(
        reason=wanted.reason,
        collections=scope_of(call.caller, wanted.collection),
        asker=call.caller.asker,
        cursor=paging.cursor,
        limit=paging.limit,
    )
    return page_of(map(DeadLetterOut.of, window.items), window, paging.path)


@router.get("/{job_id}", responses=problems(404), summary="One dead letter")
def dead_letter(call: ReadCall, job_id: str) -> DeadLetterOut:
    """What the job was given, and why it was given up."""
    job = visible_job(call, job_id)
    if job.state is not JobState.DEAD:
        raise NotFound(f"Job {job_id!r} is no dead letter: it is {job.state}")
    return DeadLetterOut.of(job)


@router.post("/{job_id}/replay", **job_route(Submitted, 404, 409), summary="Run a dead letter again")
def replay(call: WriteCall, job_id: str) -> Response:
    """Resumes at the stage where the job died, with all its attempts. 409 when it is not dead."""
    call.caller.must_control(visible_job(call, job_id).kind)
    call.parts.broker.check()
    return submitted_response(call.parts, call.parts.submissions.dead_letters.replay(job_id))


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
    wanted = await read_body(call, ReplayIn)

    def replay_wanted() -> tuple[int, int]:
        scope = scope_of(call.caller, wanted.collection)
        call.parts.broker.check()
        return call.parts.submissions.dead_letters.replay_all(wanted.reason, scope, _controlled(call))

    replayed, left = await call.run_in_thread(replay_wanted)
    return Replayed(replayed=replayed, left=left or None)


@router.delete("/{job_id}", **job_route(JobOut, 404, 409), summary="Drop a dead letter")
def drop(call: WriteCall, job_id: str) -> Response:
    """From then on the job counts as failed, and its data is removed. 409 when it is not dead."""
    call.caller.must_control(visible_job(call, job_id).kind)
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
    scope = scope_of(call.caller, wanted.collection)
    dropped = call.parts.submissions.dead_letters.drop_all(wanted.reason, scope, _controlled(call))
    return Dropped(dropped=dropped)
