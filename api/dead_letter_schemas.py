"""What callers get to see of dead letters."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from api.bodies import CollectionName, Sent
from api.schemas import SubjectOut, moment
from rag.fetching.urls import redacted
from rag.model import Job, JobKind, Json, Stage

Reason = Annotated[
    str,
    Field(
        pattern="^[a-z]+(-[a-z]+)*$",
        max_length=64,
        description="Class of the last error, such as unavailable, timed-out or crashed",
        examples=["unavailable"],
    ),
]


class ReplayIn(Sent):
    """Which dead letters to run again; an empty object means all that the key reaches."""

    reason: Reason | None = None
    collection: CollectionName | None = None


_SUBMITTED = {
    "question": "question",
    "top_k": "top_k",
    "top_n": "top_n",
    "where": "filter",
    "generate": "generate",
    "stream": "stream",
    "cache": "cache",
    "filename": "filename",
    "media_type": "media_type",
    "url": "url",
    "title": "title",
    "metadata": "metadata",
    "model": "model",
    "dimension": "dimension",
    "tolerance": "tolerance",
    "force": "force",
    "mode": "mode",
    "trigger": "trigger",
    "backup": "backup",
    "collection": "collection",
    "into": "into",
    "at": "at",
    "replay": "replay",
}
"""What a caller may see again of a job's inputs, and as what; blob keys and versions stay inside."""


class DeadLetterOut(BaseModel):
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
    error: dict[str, JsonValue] | None = Field(
        description="A problem with type, title, detail, stage and attempts"
    )
    attempts: int = Field(description="How often a worker began the stage")
    retries: int = Field(description="Attempts after the first, over all stages")
    created_at: datetime
    died_at: datetime
    inputs: dict[str, JsonValue] = Field(
        description="What was submitted: the question and its options, or where the document came from "
        "and what was said about it"
    )

    @classmethod
    def of(cls, job: Job) -> "DeadLetterOut":
        return cls.model_construct(
            id=job.id,
            kind=job.kind,
            collection=job.collection,
            document_id=job.inputs.get("document_id"),
            subject=SubjectOut.of(job),
            stage=job.stage,
            reason=job.reason,
            error=job.error,
            attempts=job.attempts,
            retries=job.retries,
            created_at=moment(job.created_at),
            died_at=moment(job.finished_at or job.created_at),
            inputs=_shown(job.inputs),
        )


def _shown(inputs: Json) -> dict[str, JsonValue]:
    """A URL without its query: whoever has a signed one has the document."""
    shown = {as_: inputs[name] for name, as_ in _SUBMITTED.items() if name in inputs}
    return shown | {"url": redacted(inputs["url"])} if "url" in inputs else shown


class Replayed(BaseModel):
    replayed: int = Field(description="Jobs that were queued again")
    left: int | None = Field(None, description="Dead letters that had no room; absent where all had")


class Dropped(BaseModel):
    dropped: int = Field(description="Dead letters that were given up for good")
