"""The vector engine is killed and comes back some seconds later: that costs no job its attempts."""

import subprocess
import sys
import time
from collections.abc import Iterator
from os import environ
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rag.model import Job, JobState, Stage
from rag.settings import Settings
from tasks.app import app
from tasks.publishing.bells import announce
from tasks.submit.submissions import Ingestion, Submissions, Text
from tests.deliveries import job_of, step
from tests.integration.conftest import send_to
from tests.integration.workerprocess import working
from tests.system.running import until
from workers.embedding.build import build
from workers.tools import Tools

AWAY_SECONDS = 8.0
JOBS = 5


@pytest.fixture
def home() -> Iterator[Path]:
    """Short enough for a socket's path."""
    with TemporaryDirectory(prefix="aegis-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def tools(valkey: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tools]:
    send_to(monkeypatch, valkey)
    settings = Settings(redis_url=valkey, aegis_home=home)
    build(settings.model_dir, lambda line: None)
    built = Tools(settings)
    app.import_tasks()
    app.toolbox = built
    yield built
    built.parser.close()


def engine_over(home: Path) -> "subprocess.Popen[bytes]":
    with (home / "engine.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "rag.vectors.edge.server"],
            env={**environ, "AEGIS_HOME": str(home)},
            stdout=log,
            stderr=log,
        )


def embedded(tools: Tools, document_id: str) -> Job:
    """An ingestion that is to be indexed next."""
    desk = Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)
    job_id = desk.ingest(Ingestion(Text(f"The lamp {document_id} is green."), "c", document_id)).job.id
    while job_of(tools, job_id).stage is not Stage.INDEX:
        step(tools, job_id)
    return job_of(tools, job_id)


def test_jobs_outlast_it_by_their_second_attempt(tools: Tools, valkey: str, home: Path) -> None:
    jobs = [embedded(tools, f"d{n}") for n in range(JOBS)]
    engine = engine_over(home)
    with working("index", valkey, home):
        engine.kill()
        engine.wait(30)
        announce(jobs[0])
        until(lambda: job_of(tools, jobs[0].id).state is JobState.RUNNING)
        time.sleep(AWAY_SECONDS)  # the engine is away for so long
        engine = engine_over(home)
        try:
            until(lambda: all(job_of(tools, job.id).state.final for job in jobs), 120)
        finally:
            engine.kill()
            engine.wait(30)

    ended = [job_of(tools, job.id) for job in jobs]
    assert [job.state for job in ended] == [JobState.SUCCEEDED] * JOBS
    attempts = [job.attempts for job in ended]
    assert max(attempts) <= 2, attempts
