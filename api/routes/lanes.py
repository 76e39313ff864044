"""/v1/lanes: how full each lane is, which workers it has, and how many jobs there are.

Any key may read it: the figures are those of /metrics, over all collections. Only an admin of all collections
sees the workers, since their signs of life name hosts and processes.
"""

from collections import Counter
from datetime import UTC, datetime
from typing import Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.calls.auth import ReadCall
from api.calls.openapi import problems
from api.calls.parts import Parts
from api.routes.coalescing import Coalesced
from rag.model import JobFigures, JobKind, JobState, JobStatistics, Stage
from rag.redis.heartbeats import Signs, WorkerSign
from tasks.submit.submissions import LANE_STAGES, most_open

router = APIRouter(prefix="/v1/lanes", tags=["jobs"])


class LaneOut(BaseModel):
    """The jobs of a lane, and its workers."""

    lane: str
    stages: list[Stage]
    ready: int = Field(description="Jobs that a worker could begin now; also those whose worker was lost")
    resting: int = Field(description="Jobs that wait for a retry, a rate limit or their next slice")
    running: int = Field(description="Jobs that a worker holds under a lease")
    oldest_wait_seconds: float = Field(description="How long the oldest ready job has waited; 0 without one")
    ended: int = Field(
        description="Attempts at its stages that ended; from 0 anew where the records were lost"
    )
    workers: int = Field(description="Workers that take jobs; a hung one does not count")

    @classmethod
    def of(cls, lane: str, figures: JobFigures, statistics: JobStatistics, signs: Signs) -> Self:
        own = [figures.stages[stage] for stage in LANE_STAGES[lane]]
        ready, queued = sum(each.waiting for each in own), sum(each.queued for each in own)
        return cls(
            lane=lane,
            stages=list(LANE_STAGES[lane]),
            ready=ready,
            # Two looks at a queue that moves: ready ones whose worker was lost are queued no more.
            resting=max(0, queued - ready),
            running=sum(each.running for each in own),
            oldest_wait_seconds=max(each.waited for each in own),
            ended=sum(statistics.stages[stage].runs.count for stage in LANE_STAGES[lane]),
            workers=sum(sign.hang() is None for sign in signs.lane(lane)),
        )


class WorkerOut(BaseModel):
    """What a worker last reported. Times are in seconds."""

    lane: str
    host: str
    pid: int
    age_seconds: float = Field(description="Since its last sign of life")
    idle_seconds: float = Field(description="Since it last took or finished a delivery")
    busy_seconds: float | None = Field(description="How long its delivery has run; null between two")
    task: str | None = Field(description="The delivery: JOB.STAGE.…, after the job that rang for it")
    error: str | None = Field(description="Why it counts as hung; null while it takes jobs")

    @classmethod
    def of(cls, sign: WorkerSign) -> Self:
        return cls(
            lane=sign.lane,
            host=sign.worker.partition("@")[2],
            pid=sign.pid,
            age_seconds=round(sign.age, 1),
            idle_seconds=round(sign.idle, 1),
            busy_seconds=None if sign.busy is None else round(sign.busy, 1),
            task=sign.task,
            error=sign.hang(),
        )


class LanesOut(BaseModel):
    """The whole queue at one moment."""

    read_at: datetime = Field(description="When it was read, a second before the answer at most")
    lanes: list[LaneOut]
    workers: list[WorkerOut] | None = Field(description="Null but for an admin of all collections")
    jobs: dict[JobState, int] = Field(description="Job records by state, until they are pruned")
    ended: dict[JobState, int] = Field(description="Jobs that have ended so far, by state; also pruned ones")
    open: dict[JobKind, int] = Field(description="Jobs queued or running, by kind")
    open_limits: dict[JobKind, int] = Field(description="How many of a kind may be so; then 429")
    dead_letters: dict[str, int] = Field(description="Jobs that were given up, by reason")


@router.get("", responses=problems(), summary="Lanes, workers and jobs at this moment")
async def lanes(request: Request, call: ReadCall) -> LanesOut:
    """Rates are the differences of two answers, divided by that of their `read_at`."""
    # Every sample reads all leases, so many callers share one.
    coalesced: Coalesced[LanesOut] = request.app.state.lanes
    found = await coalesced.get()
    return found if call.caller.is_operator else found.model_copy(update={"workers": None})


def lanes_of(parts: Parts) -> LanesOut:
    """All of it, as an admin sees it. Raises Transient when the broker is away."""
    signs, figures = parts.heartbeats.read_signs(), parts.jobs.figures()
    statistics = parts.jobs.statistics()
    ended: Counter[JobState] = Counter()
    for (_, state), count in statistics.ended.items():
        ended[state] += count
    return LanesOut(
        read_at=datetime.now(UTC),
        lanes=[LaneOut.of(lane, figures, statistics, signs) for lane in LANE_STAGES],
        workers=[WorkerOut.of(sign) for sign in signs.workers],
        jobs=dict(parts.jobs.counts()),
        ended=ended,
        open=dict(figures.open),
        open_limits=dict(most_open(parts.settings)),
        dead_letters=dict(figures.dead),
    )
