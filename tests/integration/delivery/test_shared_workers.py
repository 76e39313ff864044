"""A worker of two lanes, stopped, killed, held and cut off from one of its queues."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from time import monotonic

import pytest

from rag.model import Job, JobState, Stage
from rag.redis.connection import connect
from rag.redis.heartbeats import Heartbeats, WorkerSign
from rag.settings import Settings
from tasks.app import app
from tasks.submit.submissions import Ingestion, Submissions, Text
from tests.chaos.faults.traps import HOLD, Traps
from tests.integration.conftest import send_to
from tests.integration.vectorengine import Engine
from tests.integration.workerprocess import Worker, working
from tests.system.running import until
from workers.tools import Tools

SHARING = ("parse", "index")
HOLDER = "0123456789abcdef0123456789abcdef"
CUT = "parse.cut"

HASTY = {
    "STAGE_TIMEOUT": "5",
    "LEASE_SECONDS": "3",
    "PARSE_TIMEOUT": "4",
    "FETCH_TIMEOUT": "4",
    "GENERATOR_TIMEOUT": "4",
}
"""A stage is interrupted after four seconds."""


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    send_to(monkeypatch, valkey)
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


@pytest.fixture
def engine(tools: Tools) -> Iterator[None]:
    """The vector engine, which the lane index waits for."""
    running = Engine(tools.settings.home)
    yield
    running.ended()


@contextmanager
def sharing(tools: Tools, **settings: str) -> Iterator[Worker]:
    address, home = tools.settings.records_url, tools.settings.home
    with working("parse", address, home, sharing=SHARING, WORKER_ID=HOLDER, **settings) as worker:
        yield worker


def ingest(tools: Tools) -> str:
    desk = Submissions(tools.settings, tools.jobs, tools.documents, tools.blobs)
    return desk.ingest(Ingestion(Text("The bell rings."), "handbook")).job.id


def job_of(tools: Tools, job_id: str) -> Job:
    job = tools.jobs.get(job_id)
    assert job is not None
    return job


def sign_of(worker: Worker, lane: str) -> WorkerSign | None:
    with connect(worker.settings) as client:
        signs = Heartbeats(client).read_signs().lane(lane)
    return next((sign for sign in signs if sign.pid == worker.process.pid), None)


def hangs(worker: Worker, lane: str) -> bool:
    sign = sign_of(worker, lane)
    return sign is not None and sign.hang() is not None


@pytest.mark.usefixtures("engine")
def test_a_killed_worker_s_job_goes_on_at_once_in_the_one_after_it(tools: Tools) -> None:
    traps = Traps(tools.settings.home)
    traps.set(CUT, HOLD)
    job_id = ingest(tools)
    with sharing(tools) as first:
        until(lambda: traps.sprung(CUT) is not None)
        first.process.kill()
        first.process.wait()
    began = monotonic()

    with sharing(tools):
        until(lambda: job_of(tools, job_id).stage is Stage.EMBED, 60)

    assert monotonic() - began < tools.settings.lease_seconds
    assert job_of(tools, job_id).retries == 1


@pytest.mark.usefixtures("engine")
def test_a_worker_told_to_end_gives_back_what_it_cannot_finish(tools: Tools) -> None:
    traps = Traps(tools.settings.home)
    traps.set(CUT, HOLD)
    job_id = ingest(tools)

    with sharing(tools, DRAIN_SECONDS="1") as worker:
        until(lambda: traps.sprung(CUT) is not None)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(20) == 0

    job = job_of(tools, job_id)
    assert (job.state, job.stage, job.attempts, job.retries) == (JobState.QUEUED, Stage.PARSE, 0, 0)


@pytest.mark.usefixtures("engine")
def test_a_stage_past_its_soft_limit_fails_and_its_worker_goes_on(tools: Tools) -> None:
    traps = Traps(tools.settings.home)
    traps.set(CUT, HOLD)
    job_id = ingest(tools)

    with sharing(tools, **HASTY) as worker:
        until(lambda: bool(job_of(tools, job_id).error), 60)
        assert worker.process.poll() is None

    error = job_of(tools, job_id).error
    assert error is not None
    assert error["type"] == "urn:aegis:problem:timed-out"


@pytest.mark.usefixtures("engine")
def test_a_long_stage_of_one_lane_makes_the_other_look_busy_and_alive(tools: Tools) -> None:
    Traps(tools.settings.home).set(CUT, HOLD)
    job_id = ingest(tools)

    with sharing(tools, SILENCE_SECONDS="10") as worker:
        until(lambda: (((sign := sign_of(worker, "index")) and sign.busy) or 0) > 12, 60)

        sign = sign_of(worker, "index")
        assert sign is not None
        assert (sign.task or "").startswith(f"{job_id}.parse.")
        assert sign.hang() is None
        assert worker.is_healthy()


@pytest.mark.usefixtures("engine")
def test_a_queue_that_is_taken_from_no_more_shows_though_the_other_one_is(tools: Tools) -> None:
    with sharing(tools, SILENCE_SECONDS="10") as worker:
        until(lambda: sign_of(worker, "index") is not None)
        app.control.cancel_consumer("index", destination=[f"parse+index@{gethostname()}"])

        until(lambda: hangs(worker, "index"), 60)

        assert not hangs(worker, "parse")
