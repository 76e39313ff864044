"""A key with a long backlog delays the single job of another by at most twice what it takes on an idle lane.

Each lane is worked by one slot that takes real messages off the real queue, as a worker does. Only the work
is made up: a while for each job, as on a model that shares a machine's processors.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest
from uuid_utils.compat import uuid7

from rag.errors import Unavailable
from rag.model import JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.app import StageWork, app
from tasks.lanes import Lane, lane_of
from tasks.publishing.bells import announce
from tasks.stages.run import Done, Outcome, Shared, StageRun, Steps, Work
from tasks.stages.stage import deliver
from tests.integration.conftest import send_to
from workers.tools import Tools

SECONDS = 0.03
"""That one job takes."""

STAGES = [
    Stage.PARSE,
    Stage.EMBED,
    Stage.INDEX,
    Stage.EMBED_QUERY,
    Stage.SEARCH,
    Stage.GENERATE,
    Stage.PURGE,
    Stage.SNAPSHOT,
]
"""The first of each lane."""

TOGETHER = {Stage.EMBED, Stage.INDEX, Stage.EMBED_QUERY, Stage.SEARCH}


@pytest.fixture
def tools(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    send_to(monkeypatch, valkey)
    built = Tools(Settings(redis_url=valkey, aegis_home=tmp_path))
    monkeypatch.setattr(app, "toolbox", built, raising=False)
    return built


def handed_in(tools: Tools, stage: Stage, owner: str) -> str:
    job = tools.jobs.accept(NewJob(str(uuid7()), JobKind.INGEST, stage, "c", {}, owner=owner)).job
    announce(job)
    return job.id


def take_a_while(items: list[str]) -> None:
    time.sleep(SECONDS * len(items))


def shared_work(run: StageRun) -> Steps:
    yield Shared(take_a_while, [run.job.id])
    return Done(lambda *_: {})


def single_work(run: StageRun) -> Outcome:
    take_a_while([run.job.id])
    return Done(lambda *_: {})


@contextmanager
def worker(tools: Tools, lane: Lane, work: Work) -> Iterator[None]:
    """One slot of the lane."""
    over = threading.Event()

    def listen() -> None:
        with app.connection_for_read() as connection:
            channel = connection.channel()
            channel.queue_declare(lane.name)
            while not over.is_set():
                message = channel.basic_get(lane.name, no_ack=True)
                if message is None:
                    over.wait(0.002)
                    continue
                deliver(tools, lane)

    stage = lane.stages[0]
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setitem(app.stages, stage, StageWork(work, stage in TOGETHER))
    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        monkeypatch.undo()


def seconds_of(tools: Tools, stage: Stage) -> float:
    """From its submit to its end, of a single job of a key that has no other."""
    began = time.perf_counter()
    job_id = handed_in(tools, stage, "quiet")
    deadline = began + 60
    while not (job := tools.jobs.get(job_id)) or not job.state.final:
        assert time.perf_counter() < deadline, "it waits for the whole backlog"
        time.sleep(0.002)
    return time.perf_counter() - began


@pytest.mark.parametrize("stage", STAGES)
def test_a_backlog_of_another_key_delays_a_job_by_twice_its_idle_time_at_most(
    tools: Tools, stage: Stage
) -> None:
    work = shared_work if stage in TOGETHER else single_work
    with worker(tools, lane_of(stage), work):
        idle = median(seconds_of(tools, stage) for _ in range(5))
        for _ in range(1000):
            handed_in(tools, stage, "busy")

        loaded = [seconds_of(tools, stage) for _ in range(9)]

    assert tools.jobs.depth(stage) > 200, "there is a backlog all the while"
    assert sorted(loaded)[2] <= 3 * idle  # a busy machine only adds, so the quicker ones tell


def test_retries_of_one_key_delay_another_no_more(tools: Tools) -> None:
    def fail(run: StageRun) -> Outcome:
        if run.job.attempts == 1 and run.job.owner == "busy":
            raise Unavailable("for a moment")
        return single_work(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.stages.outcomes.pause", lambda job, error: 0.0)
        with worker(tools, lane_of(Stage.PARSE), fail):
            for _ in range(300):
                handed_in(tools, Stage.PARSE, "busy")
            deadline = time.monotonic() + 60
            while _failed(tools) < 50:
                assert time.monotonic() < deadline
                time.sleep(0.01)

            loaded = [seconds_of(tools, Stage.PARSE) for _ in range(5)]

    assert tools.jobs.depth(Stage.PARSE) > 50
    assert sorted(loaded)[1] <= 3 * (SECONDS + 0.05)


def _failed(tools: Tools) -> int:
    """How many jobs were begun and wait for their second attempt."""
    queued = tools.jobs.page(states=(JobState.QUEUED,), collections=None, cursor=None, limit=400).items
    return sum(job.attempts > 0 for job in queued)
