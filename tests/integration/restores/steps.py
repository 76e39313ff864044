"""How far the jobs of an installation are let work."""

from rag.model import JobState, Stage
from tasks.upkeep import put_in_order
from tests.deliveries import begin, step
from tests.integration.inprocess import InProcess


def until(tools: InProcess, job_id: str, stage: Stage) -> None:
    """Let the job work until it is due at ``stage``."""
    while (job := step(tools, job_id)).stage is not stage:
        assert not job.state.final, job.error


def settled(tools: InProcess) -> None:
    """Let every open job end, and what is left over be removed."""
    put_in_order(tools)
    while open_jobs := [
        job.id
        for state in (JobState.QUEUED, JobState.RUNNING)
        for job in tools.jobs.page(states=[state], collections=None, cursor=None, limit=99).items
    ]:
        for job_id in open_jobs:
            step(tools, job_id)


def killed(tools: InProcess, job_id: str, stage: Stage = Stage.PARSE) -> None:
    """Make the job a dead letter."""
    lease = begin(tools.jobs, job_id, stage, lease_seconds=30)
    assert lease is not None
    error = {"type": "urn:aegis:problem:crashed", "title": "t", "detail": "d"}
    assert tools.jobs.finish(lease, JobState.DEAD, error=error)
