"""A real worker with MESSAGE_KEY runs what is signed by it, and nothing else."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from rag.model import Job, JobKind, NewJob, Stage
from rag.settings import Settings
from tasks.lanes import lane_of
from tests.deliveries import bells_in
from tests.integration.conftest import send_to
from tests.integration.workerprocess import Worker, working
from tests.system.running import until
from workers.tools import Tools

OURS, NEXT, THEIRS = "o" * 32, "n" * 32, "t" * 32
LANE = lane_of(Stage.EMBED_QUERY)
PATIENCE = 120.0  # seconds, on a machine that is busy with other tests

BEGIN = """
import sys
from rag.settings import load
from tasks.app import app
from workers.tools import Tools
tools = Tools(load())
"""
SEND = "app.send_task('aegis.embed_query', queue='embed-query', priority=3)"
"""A bell, also where one lies already, as the worker's own canary may have rung it."""
SHUT_DOWN = "app.control.broadcast('shutdown')"


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    send_to(monkeypatch, valkey)
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


@pytest.fixture
def worker(tools: Tools, valkey: str, tmp_path: Path) -> Iterator[Worker]:
    """In the middle of a change of its key."""
    with working(LANE.name, valkey, tmp_path, MESSAGE_KEY=f"{NEXT},{OURS}") as running:
        yield running


def run(tools: Tools, program: str, *arguments: str, **settings: str) -> str:
    """What a process with these settings prints: each process signs with one key for all its life."""
    address, home = tools.settings.redis_url.get_secret_value(), tools.settings.aegis_home
    return subprocess.run(
        [sys.executable, "-c", BEGIN + program, *arguments],
        env={**os.environ, "REDIS_URL": address, "AEGIS_HOME": str(home), **settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout.strip()


def accepted(tools: Tools) -> Job:
    new = NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "c", {"question": "Why?", "top_k": 1})
    return tools.jobs.accept(new).job


def stage_of(tools: Tools, job: Job) -> Stage:
    record = tools.jobs.get(job.id)
    assert record is not None
    return record.stage


def test_what_is_not_signed_is_refused_and_told_once_and_its_jobs_go_on(
    tools: Tools, worker: Worker, tmp_path: Path
) -> None:
    log = tmp_path / f"{LANE.name}.log"
    unsigned, by_stranger = accepted(tools), accepted(tools)
    run(tools, SEND)
    until(lambda: "refused and not run" in log.read_text(), PATIENCE)
    run(tools, SEND, MESSAGE_KEY=THEIRS)
    run(tools, SHUT_DOWN, MESSAGE_KEY=THEIRS)
    over = time.monotonic() + 12

    # the worker's own canaries, which it believes, ring again
    until(lambda: {stage_of(tools, job) for job in (unsigned, by_stranger)} == {Stage.SEARCH}, PATIENCE)
    until(lambda: time.monotonic() > over, PATIENCE)
    until(lambda: worker.sign is not None and worker.sign.idle < 8, PATIENCE)

    assert bells_in(LANE) == 0
    assert log.read_text().count("refused and not run") == 1
    assert worker.process.poll() is None
