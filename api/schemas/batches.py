"""The answers about batches of documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field, JsonValue

from api.schemas.answers import PROBLEM_TYPE, ProgressOut, moment
from rag.model import Batch, BatchStanding, Job, JobState, Json


class PlacedOut(BaseModel):
    """A document of a batch that was accepted."""

    job_id: str
    document_id: str


class RefusedOut(BaseModel):
    """A document of a batch that was not accepted, and why: a problem."""

    position: int = Field(description="Among the documents that were sent, from 0")
    document_id: str | None = Field(None, description="Where it was sent or known")
    type: str = Field(pattern=PROBLEM_TYPE, examples=["urn:aegis:problem:invalid-request"])
    title: str
    status: int = Field(description="That the document would have got by itself")
    detail: str
    retry_after: int | None = Field(None, description="Seconds, where it may be sent again later")


class BatchSubmittedOut(BaseModel):
    """The jobs are recorded and will be run."""

    batch_id: str
    status_url: str = Field(examples=["/v1/batches/01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e10"])
    survives: Literal["broker-loss"] = Field(description="As of a single submit")
    accepted: int = Field(description="How many jobs were made: equal documents share one")
    jobs: list[PlacedOut | None] = Field(
        description="Of each document in the order in which they were sent; null where it was refused"
    )
    refused: list[RefusedOut]


def submitted(batch: Batch) -> Json:
    """The answer to a submit, in the shape of :class:`BatchSubmittedOut`; it may be large."""
    answer = batch.answer or {"jobs": [], "refused": []}
    return {
        "batch_id": batch.id,
        "status_url": f"/v1/batches/{batch.id}",
        "survives": "broker-loss",
        "accepted": batch.accepted,
        "jobs": [placed and {"job_id": placed[0], "document_id": placed[1]} for placed in answer["jobs"]],
        "refused": answer["refused"],
    }


class FailureOut(BaseModel):
    job_id: str
    document_id: str | None
    state: JobState
    error: dict[str, JsonValue] | None

    @classmethod
    def of(cls, job: Job) -> Self:
        document_id = job.inputs.get("document_id")
        return cls(job_id=job.id, document_id=document_id, state=job.state, error=job.error)


class BatchOut(BaseModel):
    """A batch in its present state. Its jobs are ordinary ones, under their own ids."""

    id: str
    state: JobState = Field(
        description="`queued` until the first job begins, `running` until the last one is over; then that "
        "of the worst: `dead`, `failed`, `cancelled` or `succeeded`"
    )
    created_at: datetime
    collections: list[str]
    accepted: int = Field(description="How many jobs it has, or had")
    refused: int = Field(description="How many documents were refused at the submit")
    counts: dict[JobState, int] = Field(description="Of jobs, by state")
    forgotten: int = Field(description="Jobs that ended so long ago that they have no record any more")
    progress: ProgressOut = Field(description="`done`: jobs that are over")
    failures: list[FailureOut] = Field(description="The first jobs that failed or are dead, 20 at most")

    @classmethod
    def of(cls, batch: Batch, standing: BatchStanding, failed: Sequence[Job]) -> Self:
        return cls(
            id=batch.id,
            state=standing.state,
            created_at=moment(batch.created_at),
            collections=list(batch.collections),
            accepted=max(batch.accepted, standing.total),
            refused=len((batch.answer or {}).get("refused", ())),
            counts={state: standing.states.get(state, 0) for state in JobState},
            forgotten=standing.forgotten,
            progress=ProgressOut(done=standing.total - standing.still_open, total=standing.total),
            failures=list(map(FailureOut.of, failed)),
        )
