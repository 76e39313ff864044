"""Few messages for many jobs, on a real broker: none is sent in vain, and no job is forgotten for it."""

import time
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError
from uuid_utils.compat import uuid7

from rag.errors import Unavailable
from rag.model import Job, JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from rag.stores.redis import connect
from tasks.app import Lane, announce, app, hints, lane_of, publish
from tasks.broker import sending
from tasks.stage import Done, Next, Outcome, StageRun, perform
from tasks.sweeping import messages, republish_lost
from workers.tools import Tools

PARSE = lane_of(Stage.PARSE)


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Records and queues on the same real server; each delivery takes one batch."""
    monkeypatch.setitem(app.conf, "broker_url", valkey.replace("unix://", "redis+socket://"))
    monkeypatch.setattr("tasks.taking.TURN_SECONDS", -1.0)
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


def accepted(tools: Tools, stage: Stage = Stage.PARSE) -> Job:
    return tools.jobs.accept(NewJob(str(uuid7()), JobKind.INGEST, stage, "c", {})).job


def taken(lane: Lane) -> tuple[Stage, str] | None:
    """Stage and job of the lane's next message, off the queue."""
    with app.connection_for_read() as connection:
        channel = connection.channel()
        channel.queue_declare(lane.name)
        message = channel.basic_get(lane.name, no_ack=True)
    if message is None:
        return None
    job_id, stage, _ = message.headers["id"].split(".")
    return Stage(stage), job_id


def worked_off(tools: Tools, lane: Lane, work: object) -> int:
    """Deliver what lies in the lane's queue until it is empty; how many deliveries that took."""
    count = 0
    while message := taken(lane):
        stage, job_id = message
        perform(tools, stage, work, job_id, together=True)  # type: ignore[arg-type]
        count += 1
    return count


def state_of(tools: Tools, job: Job) -> tuple[JobState, Stage]:
    record = tools.jobs.get(job.id)
    assert record is not None
    return record.state, record.stage


def silent(tools: Tools) -> None:
    """Let every message have been sent an hour ago."""
    with connect(tools.settings) as client:
        for job_id in client.zrange("{aegis}:published", 0, -1):
            client.zadd("{aegis}:published", {job_id: time.time() - 3600})


def test_a_long_queue_of_jobs_is_one_of_few_messages(tools: Tools) -> None:
    for _ in range(20):
        announce(accepted(tools))

    assert messages(PARSE) == 2


def test_a_delayed_message_is_no_hint(tools: Tools) -> None:
    for _ in range(5):
        publish(accepted(tools), delay=60)

    announce(accepted(tools))

    assert messages(PARSE) == 6


def test_where_jobs_keep_no_company_each_has_its_message(tools: Tools) -> None:
    for _ in range(5):
        announce(accepted(tools, Stage.GENERATE))

    assert messages(lane_of(Stage.GENERATE)) == 5


def test_few_messages_are_enough_for_all(tools: Tools) -> None:
    jobs = [accepted(tools) for _ in range(50)]
    for job in jobs:
        announce(job)

    deliveries = worked_off(tools, PARSE, lambda run: Done(lambda *_: {}))

    assert {state_of(tools, job)[0] for job in jobs} == {JobState.SUCCEEDED}
    assert deliveries <= 50 / 16 + 2


def test_one_hint_brings_large_jobs_too_each_by_itself(tools: Tools) -> None:
    jobs = [accepted(tools) for _ in range(6)]
    for number, job in enumerate(jobs):
        perform(tools, Stage.PARSE, lambda run, size=number * 40: Next(Stage.EMBED, size=size), job.id)
    begun: list[str] = []

    def work(run: StageRun) -> Outcome:
        begun.append(run.job.id)
        return Done(lambda *_: {})

    worked_off(tools, lane_of(Stage.EMBED), work)

    assert sorted(begun) == sorted(job.id for job in jobs)


def test_one_that_failed_has_a_message_of_its_own(tools: Tools) -> None:
    jobs = [accepted(tools) for _ in range(3)]

    def fail(run: StageRun) -> Outcome:
        raise Unavailable("the parser is away")

    perform(tools, Stage.PARSE, fail, jobs[0].id, together=True)

    assert messages(PARSE) == 3


def test_a_job_that_waits_without_a_message_beside_a_hint_is_no_loss(tools: Tools) -> None:
    for _ in range(20):
        announce(accepted(tools))
    silent(tools)

    assert republish_lost(tools) == 0


def test_a_lost_message_of_one_that_failed_is_made_up_for_beside_hints(tools: Tools) -> None:
    failed = accepted(tools)
    lease = tools.jobs.begin(failed.id, Stage.PARSE, lease_seconds=30)
    assert lease is not None
    assert tools.jobs.requeue(lease, error={"type": "urn:aegis:problem:unavailable"})
    for _ in range(5):
        announce(accepted(tools))
    silent(tools)

    assert republish_lost(tools) == 1

    assert taken(PARSE) == (Stage.PARSE, failed.id), "and it comes first"


def test_lost_hints_are_made_up_for(tools: Tools) -> None:
    jobs = [accepted(tools) for _ in range(20)]
    for job in jobs:
        announce(job)
    while taken(PARSE):
        pass
    silent(tools)

    assert republish_lost(tools) == 20
    worked_off(tools, PARSE, lambda run: Done(lambda *_: {}))

    assert {state_of(tools, job)[0] for job in jobs} == {JobState.SUCCEEDED}


def test_a_new_job_brings_those_along_whose_hints_were_lost(tools: Tools) -> None:
    jobs = [accepted(tools) for _ in range(5)]
    late = accepted(tools)
    announce(late)

    worked_off(tools, PARSE, lambda run: Done(lambda *_: {}))

    assert {state_of(tools, job)[0] for job in (*jobs, late)} == {JobState.SUCCEEDED}


def test_a_channel_that_was_closed_counts_as_a_broker_that_is_away(tools: Tools) -> None:
    with app.connection_for_write() as connection:
        channel = connection.channel()
        channel.close()
        channel._disconnect_pools()
        del channel.client  # it is made when first asked for

        with pytest.raises(OperationalError, match="closed"), sending():
            hints(channel, PARSE)


def test_other_faults_while_sending_stay_what_they_are() -> None:
    with pytest.raises(AttributeError), sending():
        object().client  # type: ignore[attr-defined]  # noqa: B018 - it is the fault
