"""What becomes of a job that kills every process that touches it, with a real prefork worker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from rag.model import Job, JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.publishing.bells import announce
from tests.integration.conftest import send_to
from tests.system.running import until
from workers.tools import Tools

PATIENCE = 120.0  # seconds, on a machine that is busy with other tests


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    send_to(monkeypatch, valkey)
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


@pytest.fixture
def worker(
    request: pytest.FixtureRequest, valkey: str, tmp_path: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    module, *limits = getattr(request, "param", ("crashing", "--time-limit", "900"))
    command = ["-m", "celery", "-A", f"tests.integration.{module}", "worker", "--queues", "parse"]
    command += ["--pool", "prefork", "--concurrency", "1", *limits]
    command += ["--without-gossip", "--without-mingle"]
    environment = {**os.environ, "REDIS_URL": valkey, "AEGIS_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen([sys.executable, *command], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def sent(tools: Tools) -> str:
    job = tools.jobs.accept(NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "c", {"document_id": "d"})).job
    announce(job)
    return job.id


def over(tools: Tools, job_id: str) -> Job:
    """The job when it is over."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        job = tools.jobs.get(job_id)
        assert job is not None
        if job.state.final:
            return job
        time.sleep(0.05)
    raise AssertionError(f"the job is still {job.state} after {job.attempts} attempts")


def test_it_is_dead_after_three_attempts_and_its_worker_alive(
    tools: Tools, worker: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    job = over(tools, sent(tools))

    assert (job.state, job.reason) == (JobState.DEAD, "crashed")
    assert job.error is not None
    assert "3 attempts" in job.error["detail"]
    assert (tmp_path / "attempts").read_bytes() == b"..."
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.finished_at - job.started_at < tools.settings.lease_seconds, "no lease was waited for"

    assert over(tools, sent(tools)).state is JobState.DEAD
    assert worker.poll() is None


@pytest.mark.parametrize("worker", [("hanging", "--time-limit", "2")], indirect=True)
def test_one_that_hangs_too_deep_to_be_interrupted_is_begun_again_without_waiting_for_the_lease(
    tools: Tools, worker: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    job = over(tools, sent(tools))

    assert (job.state, job.reason) == (JobState.DEAD, "crashed")
    assert (tmp_path / "attempts").read_bytes() == b"..."
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.finished_at - job.started_at < tools.settings.lease_seconds
    assert worker.poll() is None


@pytest.mark.parametrize(
    "worker", [("hanging", "--time-limit", "100", "--soft-time-limit", "1")], indirect=True
)
@pytest.mark.usefixtures("worker")
def test_one_that_hangs_says_that_it_timed_out(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "heedful").touch()
    job_id = sent(tools)

    until(lambda: bool((job := tools.jobs.get(job_id)) and job.error), PATIENCE)

    job = tools.jobs.get(job_id)
    assert job is not None
    assert job.error is not None
    assert job.error["type"] == "urn:aegis:problem:timed-out"
    assert job.attempts == 1
