"""The answers about jobs that wait unusually long."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.answers import moment
from rag.model import JobKind, Stage, WaitReason
from rag.waits.stuck import StuckGroup, WaitingJob

_SHOWN = 10


class StuckJobOut(BaseModel):
    id: str
    kind: JobKind
    stage: Stage
    since: datetime = Field(description="Since when it waits for that")
    message: str = Field(description="The reason in words")
    error: str | None = Field(description="Of the last attempt, where it is the reason")

    @classmethod
    def of(cls, waiting: WaitingJob) -> Self:
        job, wait = waiting.job, waiting.wait
        return cls(
            id=job.id,
            kind=job.kind,
            stage=job.stage,
            since=moment(wait.since),
            message=wait.message,
            error=wait.error,
        )


class StuckGroupOut(BaseModel):
    reason: WaitReason
    to_do: str = Field(description="What to do about it")
    count: int = Field(description="How many of the jobs that were looked at; 0 of a beat that is not there")
    jobs: list[StuckJobOut] = Field(description=f"The {_SHOWN} that wait longest")

    @classmethod
    def of(cls, group: StuckGroup) -> Self:
        return cls(
            reason=group.reason,
            to_do=group.advice,
            count=len(group.jobs),
            jobs=[StuckJobOut.of(each) for each in group.jobs[:_SHOWN]],
        )


class StuckOut(BaseModel):
    """Jobs that wait longer than is usual at their stage: three times as long as 95 of 100 waits were, and at
    least 30 seconds."""

    items: list[StuckGroupOut] = Field(description="The largest group first")

    @classmethod
    def of(cls, groups: Sequence[StuckGroup]) -> Self:
        return cls(items=[StuckGroupOut.of(group) for group in groups])


class UnstuckOut(BaseModel):
    done: list[str] = Field(description="What was done, a line each; empty when nothing could be done safely")
