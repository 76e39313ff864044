"""The figures of lanes in /metrics, followed along the stages of real jobs."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from uuid_utils.compat import uuid7

from api.metrics.queues import QueueCollector
from rag.model import Bounds, JobKind, JobState, Lease, NewJob, Stage
from rag.redis.connection import connect
from rag.settings import Settings
from tasks.submit.submissions import LANES
from tests.deliveries import begin, end_lease, end_pause
from workers.tools import Tools

PROBLEM = {"type": "urn:aegis:problem:unavailable", "title": "away", "detail": "gone"}


@dataclass(frozen=True)
class Lane:
    """What /metrics tells of a lane."""

    waiting: float = 0
    running: float = 0

    @property
    def open(self) -> float:
        return self.waiting + self.running


@pytest.fixture
def tools(valkey: str, tmp_path: Path) -> Tools:
    return Tools(Settings(redis_url=valkey, aegis_home=tmp_path))


def exposed(tools: Tools) -> dict[str, dict[str, float]]:
    """What a scrape reads: the figures of each metric about lanes, by lane."""
    registry = CollectorRegistry()
    registry.register(QueueCollector(tools.jobs, {}))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        family.name: {sample.labels["lane"]: sample.value for sample in family.samples}
        for family in families
        if family.name.startswith("aegis_lane_")
    }


def busy(tools: Tools) -> dict[str, Lane]:
    """The lanes that have jobs. Fails unless each lane is in each metric, and the open ones are the sum."""
    found = exposed(tools)
    assert all(list(lanes) == list(LANES) for lanes in found.values())
    waiting, running = found["aegis_lane_waiting_jobs"], found["aegis_lane_running_jobs"]
    lanes = {name: Lane(waiting[name], running[name]) for name in LANES}
    assert found["aegis_lane_open_jobs"] == {name: lane.open for name, lane in lanes.items()}
    return {name: lane for name, lane in lanes.items() if lane.open}


def waits(tools: Tools, lane: str) -> float:
    return exposed(tools)["aegis_lane_oldest_wait_seconds"][lane]


def accepted(tools: Tools, kind: JobKind = JobKind.INGEST, stage: Stage = Stage.PARSE) -> str:
    return tools.jobs.accept(NewJob(str(uuid7()), kind, stage, "c", {})).job.id


def begun(tools: Tools, job_id: str, stage: Stage, worker: str = "") -> Lease:
    lease = begin(tools.jobs, job_id, stage, worker=worker)
    assert lease is not None
    return lease


def test_each_lane_is_there_though_nothing_is_to_be_done(tools: Tools) -> None:
    found = exposed(tools)

    assert len(found) == 4
    assert all(lanes == dict.fromkeys(LANES, 0) for lanes in found.values())


def test_an_ingestion_is_counted_in_one_lane_after_another_until_it_is_over(tools: Tools) -> None:
    job_id = accepted(tools)
    way = ((Stage.PARSE, "parse"), (Stage.EMBED, "embed"), (Stage.INDEX, "index"))
    for (stage, lane), (following, _) in zip(way, (*way[1:], way[0]), strict=True):
        assert busy(tools) == {lane: Lane(waiting=1)}
        lease = begun(tools, job_id, stage)
        assert busy(tools) == {lane: Lane(running=1)}
        if stage is not Stage.INDEX:
            assert tools.jobs.advance(lease, following, seconds=1)

    assert tools.jobs.finish(lease, JobState.SUCCEEDED, result={})

    assert busy(tools) == {}


def test_the_stages_of_one_lane_are_counted_together(tools: Tools) -> None:
    searching, reranking = (accepted(tools, JobKind.QUERY, Stage.SEARCH) for _ in range(2))
    assert tools.jobs.advance(begun(tools, reranking, Stage.SEARCH), Stage.RERANK, seconds=1)
    assert busy(tools) == {"rerank": Lane(waiting=2)}

    begun(tools, searching, Stage.SEARCH)

    assert busy(tools) == {"rerank": Lane(waiting=1, running=1)}


def test_the_oldest_wait_is_that_of_any_stage_of_the_lane(tools: Tools) -> None:
    accepted(tools, JobKind.REINDEX, Stage.COMPARE)
    old = accepted(tools, JobKind.REINDEX, Stage.REEMBED)
    with connect(tools.settings) as client:
        client.zincrby("{aegis}:waiting:reembed", -90, old)

    assert 90 <= waits(tools, "embed") < 150
    assert waits(tools, "parse") == 0


def test_a_batch_counts_each_of_its_jobs(tools: Tools) -> None:
    for _ in range(5):
        accepted(tools)

    tools.jobs.take(Stage.PARSE, lease_seconds=30, worker="w", bounds=Bounds(jobs=3, size=64))

    assert busy(tools) == {"parse": Lane(waiting=2, running=3)}


def test_a_job_that_rests_scales_nothing_until_it_is_due(tools: Tools) -> None:
    job_id = accepted(tools)
    assert tools.jobs.requeue(begun(tools, job_id, Stage.PARSE), error=PROBLEM, delay=60)
    assert busy(tools) == {}
    assert tools.jobs.depth(Stage.PARSE) == 1

    end_pause(tools, job_id)

    assert busy(tools) == {"parse": Lane(waiting=1)}


def test_a_job_whose_worker_was_lost_waits_again_before_anybody_takes_it_over(tools: Tools) -> None:
    job_id = accepted(tools)
    begun(tools, job_id, Stage.PARSE, worker="lost")

    end_lease(tools, job_id)

    assert busy(tools) == {"parse": Lane(waiting=1)}
    assert waits(tools, "parse") > 90
    begun(tools, job_id, Stage.PARSE, worker="another")
    assert busy(tools) == {"parse": Lane(running=1)}


def test_of_a_question_that_runs_nobody_waits(tools: Tools) -> None:
    begun(tools, accepted(tools, JobKind.QUERY, Stage.GENERATE), Stage.GENERATE)

    assert busy(tools) == {"generate": Lane(running=1)}
    assert waits(tools, "generate") == 0
