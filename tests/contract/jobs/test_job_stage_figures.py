"""What every JobStore must tell of the jobs at a stage: how many wait, rest and run, and for how long."""

import time

import pytest
import redis

from rag.model import JobKind, JobState, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, due, ended, new_job

HOUR = 3600.0


def counts(jobs: JobStore, stage: Stage = Stage.PARSE) -> tuple[int, int, int]:
    """How many are queued, could be worked, and run."""
    figures = jobs.figures().stages[stage]
    return figures.queued, figures.waiting, figures.running


def waited(jobs: JobStore, stage: Stage = Stage.PARSE) -> float:
    return jobs.figures().stages[stage].waited


def resting(jobs: JobStore, delay: float = 60.0) -> str:
    """A job whose next attempt is due in ``delay`` seconds."""
    job_id = accepted(jobs)
    assert jobs.requeue(begun(jobs, job_id), error=PROBLEM, delay=delay)
    return job_id


def test_every_stage_is_told_though_there_are_no_jobs(jobs: JobStore) -> None:
    found = jobs.figures().stages

    assert found.keys() == set(Stage)
    assert {(each.queued, each.waiting, each.running, each.waited) for each in found.values()} == {
        (0, 0, 0, 0)
    }


def test_a_job_counts_at_the_stage_where_it_is(jobs: JobStore) -> None:
    job_id = accepted(jobs)
    accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY))
    assert counts(jobs) == (1, 1, 0)
    lease = begun(jobs, job_id)
    assert counts(jobs) == (0, 0, 1)

    assert jobs.advance(lease, Stage.EMBED, seconds=1)

    assert counts(jobs) == (0, 0, 0)
    assert counts(jobs, Stage.EMBED) == (1, 1, 0)
    assert counts(jobs, Stage.EMBED_QUERY) == (1, 1, 0)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD])
def test_a_job_that_is_over_counts_nowhere(jobs: JobStore, state: JobState) -> None:
    ended(jobs, state)

    assert counts(jobs) == (0, 0, 0)


def test_a_cancelled_job_counts_nowhere(jobs: JobStore) -> None:
    waits, runs = accepted(jobs), accepted(jobs)
    begun(jobs, runs)

    jobs.cancel(waits)
    jobs.cancel(runs)

    assert counts(jobs) == (0, 0, 0)


class TestRest:
    def test_a_job_that_rests_is_queued_and_could_not_be_worked(self, jobs: JobStore) -> None:
        resting(jobs)

        assert counts(jobs) == (1, 0, 0)
        assert waited(jobs) == 0

    def test_a_job_whose_rest_is_over_could_be_worked_though_no_worker_looked(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        job_id = resting(jobs)
        redis_client.zadd("{aegis}:resting:parse", {job_id: time.time() - 1})

        assert counts(jobs) == (1, 1, 0)

    def test_a_rest_that_ends_too_late_is_from_before_the_clock_jumped_back(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        job_id = resting(jobs)
        redis_client.zadd("{aegis}:resting:parse", {job_id: time.time() + HOUR})

        assert counts(jobs) == (1, 1, 0)
        assert due(jobs) == [(Stage.PARSE, job_id)], "a worker judges alike"

    def test_a_wait_is_that_of_the_oldest_job_that_does_not_rest(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        rests, waits, _ = resting(jobs), accepted(jobs), accepted(jobs)
        redis_client.zincrby("{aegis}:waiting:parse", -900, rests)
        redis_client.zincrby("{aegis}:waiting:parse", -90, waits)

        assert counts(jobs) == (3, 2, 0)
        assert 90 <= waited(jobs) < 150


class TestLapse:
    def test_a_job_whose_lease_is_over_waits_since_then(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        job_id = accepted(jobs)
        begun(jobs, job_id)
        redis_client.zadd("{aegis}:leases", {job_id: time.time() - 90})

        assert counts(jobs) == (0, 1, 0)
        assert 90 <= waited(jobs) < 150

    def test_it_waits_during_its_grace_and_runs_once_its_worker_is_back(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        lease = begun(jobs, accepted(jobs))
        redis_client.zadd("{aegis}:leases", {lease.job.id: time.time() - 90})
        assert due(jobs) == [], "the first look begins the grace"
        assert counts(jobs) == (0, 1, 0)

        assert jobs.extend(lease, lease_seconds=30)

        assert counts(jobs) == (0, 0, 1)

    def test_a_job_that_another_worker_took_over_runs_once(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        begun(jobs, job_id, lease_seconds=0)
        assert counts(jobs) == (0, 1, 0)

        begun(jobs, job_id)

        assert counts(jobs) == (0, 0, 1)

    def test_a_lease_that_ends_too_late_is_over(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        job_id = accepted(jobs)
        begun(jobs, job_id)
        redis_client.zadd("{aegis}:leases", {job_id: time.time() + HOUR})

        assert counts(jobs) == (0, 1, 0)
        assert waited(jobs) == 0
