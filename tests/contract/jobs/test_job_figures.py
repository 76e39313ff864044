"""What every JobStore must tell of how the queue stands."""

import pytest
import redis

from rag.jobs import RedisJobStore, upkeep
from rag.model import JobKind, JobState, Stage
from rag.ports import JobStore
from rag.settings import Settings
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, ended, new_job


def died(jobs: JobStore, reason: str) -> str:
    job_id = accepted(jobs)
    error = {**PROBLEM, "type": f"urn:aegis:problem:{reason}"}
    assert jobs.finish(begun(jobs, job_id), JobState.DEAD, error=error)
    return job_id


def test_of_an_empty_store_everything_is_nought(jobs: JobStore) -> None:
    found = jobs.figures()

    assert found.open == dict.fromkeys(JobKind, 0)
    assert found.waited == dict.fromkeys(Stage, 0.0)
    assert found.dead == {}


def test_what_waits_and_what_runs_is_open_and_what_is_over_is_not(jobs: JobStore) -> None:
    accepted(jobs)
    begun(jobs, accepted(jobs))
    accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY))
    for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD):
        ended(jobs, state)

    assert jobs.figures().open == {**dict.fromkeys(JobKind, 0), JobKind.INGEST: 2, JobKind.QUERY: 1}


def test_the_job_queued_longest_tells_how_long_a_stage_waits(
    jobs: JobStore, redis_client: redis.Redis
) -> None:
    old, _ = accepted(jobs), accepted(jobs)
    redis_client.zincrby("{aegis}:waiting:parse", -90, old)

    waited = jobs.figures().waited

    assert 90 <= waited[Stage.PARSE] < 150
    assert waited[Stage.EMBED] == 0
    begun(jobs, old)
    assert jobs.figures().waited[Stage.PARSE] < 60


def test_the_dead_are_counted_by_reason_until_they_are_replayed_or_dropped(jobs: JobStore) -> None:
    away, crashed = died(jobs, "unavailable"), died(jobs, "crashed")
    died(jobs, "unavailable")
    before = jobs.figures().dead

    jobs.retry(away)
    jobs.drop(crashed)

    assert before == {"unavailable": 2, "crashed": 1}
    assert jobs.figures().dead == {"unavailable": 1}


def test_of_very_many_dead_the_oldest_are_counted_together(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LOOKS", 2)
    jobs = RedisJobStore(redis_client, Settings())
    for reason in ("crashed", "crashed", "unavailable", "timed-out"):
        died(jobs, reason)

    assert jobs.figures().dead == {"older": 2, "unavailable": 1, "timed-out": 1}
