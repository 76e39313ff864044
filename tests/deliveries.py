"""Beginning jobs, and working them as a worker does, in the process of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rag.model import Bounds, DueStage, Job, Lease, Stage
from rag.ports import JobStore
from rag.redis.connection import connect
from tasks.app import StageWork, app
from tasks.lanes import Lane, lane_of
from tasks.publishing import bells
from tasks.stages import leases as lease
from tasks.stages.follow_up import follow_up
from tasks.stages.run import Work
from tasks.stages.stage import JobsFailed, deliver, summarize, work_batch
from tasks.toolbox import Toolbox


def begin(
    jobs: JobStore, job_id: str, stage: Stage = Stage.PARSE, *, lease_seconds: float = 30, worker: str = ""
) -> Lease | None:
    """Begin this job at ``stage``, whoever's turn it is; None when it is not due there.

    Jobs whose turn comes before are begun, and released again.
    """
    seen = set[str]()
    while True:
        taken = jobs.take(stage, lease_seconds=lease_seconds, worker=worker, bounds=Bounds(1, 64))
        if not taken.leases:
            return None
        (lease,) = taken.leases
        if lease.job.id == job_id:
            return lease
        jobs.release(lease)
        if lease.job.id in seen:
            return None
        seen.add(lease.job.id)


def end_pause(tools: Toolbox, job_id: str) -> None:
    """Let the pause before the job's next attempt be over."""
    with connect(tools.settings) as client:
        for key in client.scan_iter("{aegis}:resting:*"):
            client.zadd(key, {job_id: 1}, xx=True)


def end_lease(tools: Toolbox, job_id: str) -> None:
    """Let the lease of a running job have run out, and its grace too."""
    with connect(tools.settings) as client:
        client.hset(f"{{aegis}}:job:{job_id}", "lease", 0)
        client.zadd("{aegis}:leases", {job_id: 1}, xx=True)


def job_of(tools: Toolbox, job_id: str) -> Job:
    job = tools.jobs.get(job_id)
    assert job is not None
    return job


def step(tools: Toolbox, job_id: str) -> Job:
    """Let the job's present stage be worked once."""
    work_job(tools, job_id)
    return job_of(tools, job_id)


def finished(tools: Toolbox, job_id: str) -> Job:
    """Let this job be worked until it is over."""
    job = job_of(tools, job_id)
    while not job.state.final:
        job = step(tools, job_id)
    return job


def work_job(tools: Toolbox, job_id: str) -> str:
    """Let this job's stage be worked once, with no other job beside it; what it came to."""
    end_pause(tools, job_id)
    seconds, stage = tools.settings.lease_seconds, job_of(tools, job_id).stage
    lease = begin(tools.jobs, job_id, stage, lease_seconds=seconds, worker=tools.worker)
    if lease is None:
        return "nothing was due"
    worked = work_batch(tools, [lease])
    follow_up(tools, lane_of(stage), [each.next for each in worked if each.next], until=0)
    return summarize(worked)


def perform(tools: Toolbox, stage: Stage, work: Work, job_id: str) -> str:
    """As :func:`work_job`, by ``work``, if the job is at ``stage``."""
    with working(stage, work):
        return work_job(tools, job_id) if job_of(tools, job_id).stage is stage else "nothing was due"


def deliver_batch(tools: Toolbox, stage: Stage, work: Work, *, together: bool = True) -> str:
    """Let one batch of the jobs that are due at ``stage`` be worked by ``work``; what they came to."""
    with working(stage, work, together=together), pytest.MonkeyPatch.context() as patch:
        patch.setattr(lease, "TURN_SECONDS", -1.0)
        try:
            return deliver(tools, lane_of(stage))
        except JobsFailed as failed:
            return str(failed)


@contextmanager
def working(stage: Stage, work: Work, *, together: bool = False) -> Iterator[None]:
    """Have ``work`` done at ``stage``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(app.stages, stage, StageWork(work, together))
        yield


def record_bells(patch: pytest.MonkeyPatch) -> list[tuple[Stage, float]]:
    """Have nothing sent; stages and delays, in seconds, of what would be."""
    rung: list[tuple[Stage, float]] = []

    def record(_lane: Lane, due: DueStage, *, delay: float = 0.0) -> None:
        rung.append((due.stage, delay))

    patch.setattr(bells, "ring", record)
    return rung


def bells_in(lane: Lane) -> int:
    """Bells in the lane's queue, of the app's broker."""
    with app.connection_for_read() as connection:
        return bells.bells(connection.default_channel, lane)
