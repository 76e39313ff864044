"""A stage about backups may take longer than the queue waits for it to be acknowledged."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from rag.model import JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.publishing.bells import announce
from tests.integration.conftest import send_to
from tests.integration.vectorengine import Engine
from tests.system.running import until
from workers.tools import Tools

TIMES = {
    "LEASE_SECONDS": "1.5",
    "STAGE_TIMEOUT": "2",
    "VISIBILITY_TIMEOUT": "2.5",
    "STALE_LEASE_SECONDS": "3",
    **dict.fromkeys(("PARSE_TIMEOUT", "FETCH_TIMEOUT", "GENERATOR_TIMEOUT", "INTERACTIVE_TIMEOUT"), "1.9"),
}
PATIENCE = 60.0


@pytest.fixture
def environment(valkey: str, tmp_path: Path) -> dict[str, str]:
    return {"REDIS_URL": valkey, "AEGIS_HOME": str(tmp_path), "PYTHONWARNINGS": "ignore", **TIMES}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """No worker of the lane begins without one."""
    engine = Engine(tmp_path)
    yield engine
    engine.ended()


@pytest.fixture
def logs(environment: dict[str, str], engine: Engine) -> Iterator[list[Path]]:
    """What two workers of the lane say."""
    options = ("--queues", "backup", "--pool", "prefork", "--concurrency", "1", "--time-limit", "900")
    quiet = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.lingering", "worker"]
    paths = [engine.home / "one.log", engine.home / "two.log"]
    workers = []
    for path in paths:
        with path.open("wb") as log:
            arguments = [*command, *options, *quiet, "--hostname", f"{path.stem}@%h"]
            workers.append(subprocess.Popen(arguments, env={**os.environ, **environment}, stderr=log))
    try:
        yield paths
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(60)


def test_what_is_delivered_again_meanwhile_is_dropped(
    valkey: str, logs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_to(monkeypatch, valkey)
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path))
    new = NewJob(str(uuid7()), JobKind.BACKUP, Stage.SNAPSHOT, "", {})
    announce(tools.jobs.accept(new).job)

    until(lambda: any("nothing was due" in log.read_text() for log in logs), PATIENCE)
    (tmp_path / "enough").touch()
    until(lambda: (job := tools.jobs.get(new.id)) is not None and job.state.final, PATIENCE)

    job = tools.jobs.get(new.id)
    assert job is not None
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert (tmp_path / "attempts").read_bytes() == b"."
