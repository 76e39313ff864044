"""How far the jobs of an installation are let work."""

import pytest

from rag.backups.contents import points_stream
from rag.model import JobState, Stage
from tasks.backups import backup, progress
from tasks.upkeep.layouts import put_in_order
from tests.deliveries import begin, step
from tests.integration.inprocess import InProcess
from tests.integration.installations import COLLECTION


def until(tools: InProcess, job_id: str, stage: Stage) -> None:
    """Let the job work until it is due at ``stage``."""
    while (job := step(tools, job_id)).stage is not stage:
        assert not job.state.final, job.error


def until_points_are_read(tools: InProcess, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the backup work, a piece at a time, until it has read the points of the collection."""
    until(tools, job_id, Stage.UPLOAD)
    with monkeypatch.context() as patch:
        patch.setattr(backup, "SLICE_SECONDS", 0.0)
        packs = points_stream(f"{COLLECTION}-1")
        while not any(each.name.startswith(packs) for each in progress.streams(tools.jobs, job_id)):
            step(tools, job_id)


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
