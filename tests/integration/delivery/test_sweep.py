"""The sweeper on real records: who sweeps, and what it ends and forgets."""

import time
from multiprocessing import get_context
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from beat.schedule import UPKEEP
from rag.model import JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.upkeep import maintenance
from tasks.upkeep.maintenance import expire_overdue
from tests.integration.conftest import send_to
from tests.system.running import until
from workers.tools import Tools


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Records and queues on the same real server."""
    send_to(monkeypatch, valkey)
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


def queued(tools: Tools, stage: Stage = Stage.PARSE, deadline: float | None = None) -> str:
    return tools.jobs.accept(NewJob(str(uuid7()), JobKind.INGEST, stage, "c", {}, deadline)).job.id


def late_question(tools: Tools) -> str:
    return queued(tools, Stage.GENERATE, deadline=time.time() - 1)


def test_only_one_worker_sweeps_at_a_time(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "toolbox", tools, raising=False)
    late_question(tools)
    with tools.jobs.alone("sweep", seconds=60):
        assert "another" in maintenance.sweep()

    assert "expired: 1" in maintenance.sweep()


def test_a_worker_that_is_killed_in_a_sweep_is_followed_before_the_next(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "toolbox", tools, raising=False)
    sweeper = get_context("spawn").Process(target=sweep_without_end, args=(tools.settings,))
    sweeper.start()
    until(lambda: "another" in maintenance.sweep())
    late_question(tools)

    sweeper.kill()
    sweeper.join()

    (sweep,) = (entry for entry in UPKEEP if entry.task == maintenance.sweep.name)
    assert isinstance(sweep.every, float)
    until(lambda: "expired: 1" in maintenance.sweep(), sweep.every)


def sweep_without_end(settings: Settings) -> None:
    """What a worker does that stays in the middle of its first sweep with nobody beside it."""
    app.toolbox = Tools(settings)
    setattr(maintenance, expire_overdue.__name__, lambda _: time.sleep(600))
    while "another" in maintenance.sweep():
        pass


def test_a_question_that_nobody_waits_for_any_more_is_ended_without_a_worker(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "BATCH", 2)
    late = [late_question(tools) for _ in range(5)]
    waiting = queued(tools, Stage.GENERATE, deadline=time.time() + 60)

    assert expire_overdue(tools) == 5

    for job_id in late:
        job = tools.jobs.get(job_id)
        assert job is not None
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert job.error["type"] == "urn:aegis:problem:timed-out"
    job = tools.jobs.get(waiting)
    assert job is not None
    assert job.state is JobState.QUEUED


def test_ended_jobs_over_the_bound_are_forgotten(valkey: str, tmp_path: Path) -> None:
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path, max_ended_jobs=2))
    ids = []
    for _ in range(5):
        job = tools.jobs.accept(NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "c", {})).job
        tools.jobs.cancel(job.id)
        ids.append(job.id)

    assert maintenance.forget_old_jobs(tools) == 3

    assert [job_id for job_id in ids if tools.jobs.get(job_id)] == ids[3:]
