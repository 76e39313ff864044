"""What the queue lost is published again from the records, and a mere backlog is left alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from rag.model import JobKind, NewJob, Stage
from rag.settings import Settings
from tasks import maintenance
from tasks.app import app, lane_of, publish
from tasks.maintenance import messages, published_again
from workers.tools import Tools


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tools]:
    """Records and queues on the same real server; a job counts as overdue at once."""
    monkeypatch.setattr(maintenance, "LOST_AFTER", -1.0)
    monkeypatch.setitem(app.conf, "broker_url", valkey.replace("unix://", "redis+socket://"))
    yield Tools(Settings(redis_url=valkey, aegis_home=tmp_path))
    app.close()


def queued(tools: Tools) -> str:
    job = tools.jobs.accept(NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "c", {})).job
    return job.id


def test_a_recorded_job_without_a_message_gets_one(tools: Tools) -> None:
    queued(tools)
    assert messages(lane_of(Stage.PARSE)) == 0

    assert published_again(tools) == 1

    assert messages(lane_of(Stage.PARSE)) == 1


def test_a_backlog_is_not_taken_for_a_loss(tools: Tools) -> None:
    for _ in range(3):
        job = tools.jobs.get(queued(tools))
        assert job is not None
        publish(job)

    assert published_again(tools) == 0

    assert messages(lane_of(Stage.PARSE)) == 3


def test_what_a_dead_worker_held_is_published_again(tools: Tools) -> None:
    job_id = queued(tools)
    assert tools.jobs.begin(job_id, Stage.PARSE, lease_seconds=0.001)

    assert published_again(tools) == 1

    assert messages(lane_of(Stage.PARSE)) == 1


def test_what_a_living_worker_holds_is_left_alone(tools: Tools) -> None:
    assert tools.jobs.begin(queued(tools), Stage.PARSE, lease_seconds=60)

    assert published_again(tools) == 0
