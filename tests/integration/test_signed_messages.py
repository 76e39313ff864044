"""A real worker with MESSAGE_KEY runs what is signed by it, and nothing else."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from kombu import serialization
from uuid_utils.compat import uuid7

from rag.model import Job, JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from rag.stores.redis import connect
from tasks.app import app, lane_of, task_name
from tasks.signing import NAME, sign_with
from tasks.sweeping import messages, published_again
from tests.integration.workerprocess import Worker, working
from tests.system.running import until
from workers.tools import Tools

OURS, NEXT, THEIRS = "o" * 32, "n" * 32, "t" * 32
LANE = lane_of(Stage.EMBED_QUERY)
PATIENCE = 120.0  # seconds, on a machine that is busy with other tests


@pytest.fixture(autouse=True)
def plain_messages_again() -> Iterator[None]:
    """Whatever thread had a sender made meanwhile: the next test gets one with its own serializer."""
    yield
    vars(app.amqp).pop("send_task_message", None)


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tools]:
    monkeypatch.setitem(app.conf, "broker_url", valkey.replace("unix://", "redis+socket://"))
    yield Tools(Settings(redis_url=valkey, aegis_home=tmp_path))
    signing_by(monkeypatch, "json")
    serialization.unregister(NAME)


def signing_by(monkeypatch: pytest.MonkeyPatch, serializer: str, key: str = OURS) -> None:
    """Have this process send messages so."""
    if serializer == NAME:
        sign_with([key.encode()])
    monkeypatch.setitem(app.conf, "task_serializer", serializer)
    for task in app.tasks.values():  # those that other tests had registered keep the serializer of their day
        monkeypatch.setattr(task, "serializer", serializer)
        monkeypatch.setattr(task, "_exec_options", None)
    vars(app.amqp).pop("send_task_message", None)  # made with the serializer of its day


@pytest.fixture
def worker(tools: Tools, valkey: str, tmp_path: Path) -> Iterator[Worker]:
    """In the middle of a change of its key."""
    with working(LANE.name, valkey, tmp_path, MESSAGE_KEY=f"{NEXT},{OURS}") as running:
        yield running


def accepted(tools: Tools) -> Job:
    new = NewJob(str(uuid7()), JobKind.QUERY, Stage.EMBED_QUERY, "c", {"question": "Why?", "top_k": 1})
    return tools.jobs.accept(new).job


def send(job: Job) -> None:
    app.send_task(task_name(job.stage), args=[job.id], task_id=f"{job.id}.{job.stage}.0", queue=LANE.name)


def stage_of(tools: Tools, job: Job) -> Stage:
    record = tools.jobs.get(job.id)
    assert record is not None
    return record.stage


def test_what_is_not_signed_is_refused_once_told_never_run_and_made_up_for(
    tools: Tools, worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, log = time.monotonic(), tmp_path / f"{LANE.name}.log"
    unsigned, by_stranger = accepted(tools), accepted(tools)
    send(unsigned)
    signing_by(monkeypatch, NAME, THEIRS)
    send(by_stranger)
    app.control.broadcast("shutdown")

    until(lambda: messages(LANE) == 0, PATIENCE)
    until(lambda: "refused and not run" in log.read_text(), PATIENCE)
    until(lambda: time.monotonic() > begun + 12, PATIENCE)
    until(lambda: worker.sign is not None and worker.sign.idle < 8, PATIENCE)  # its own canaries are believed

    for job in (unsigned, by_stranger):
        record = tools.jobs.get(job.id)
        assert record is not None
        assert (record.state, record.attempts) == (JobState.QUEUED, 0)
    assert log.read_text().count("refused and not run") == 1
    assert worker.process.poll() is None

    signing_by(monkeypatch, NAME, OURS)
    with closing(connect(tools.settings)) as client:
        for job in (unsigned, by_stranger):
            client.zadd("{aegis}:published", {job.id: time.time() - 3600})
    assert published_again(tools) == 2

    until(lambda: {stage_of(tools, job) for job in (unsigned, by_stranger)} == {Stage.SEARCH}, PATIENCE)
