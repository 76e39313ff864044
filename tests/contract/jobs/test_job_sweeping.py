"""What every JobStore must tell of due work, and of duties that one does at a time."""

import time

import redis

from rag.model import JobKind, JobState, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, due, ended, new_job, record_of, take


class TestDue:
    def test_of_each_stage_that_has_a_due_job_the_oldest_one_is_told(self, jobs: JobStore) -> None:
        first, _ = accepted(jobs), accepted(jobs)
        query = accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY))

        assert due(jobs, Stage.EMBED_QUERY, Stage.SEARCH, Stage.PARSE) == [
            (Stage.PARSE, first),
            (Stage.EMBED_QUERY, query),
        ]

    def test_of_several_owners_too(self, jobs: JobStore) -> None:
        accepted(jobs, new_job(owner="busy"))
        take(jobs)
        oldest = accepted(jobs, new_job(owner="busy"))
        accepted(jobs, new_job(owner="quiet"))

        assert due(jobs) == [(Stage.PARSE, oldest)]

    def test_a_retry_is_due_when_its_pause_is_over(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        job_id = accepted(jobs)
        assert jobs.requeue(begun(jobs, job_id), error=PROBLEM, delay=90)
        assert due(jobs) == []

        redis_client.zadd("{aegis}:resting:parse", {job_id: time.time() - 1})

        assert due(jobs) == [(Stage.PARSE, job_id)]

    def test_a_stage_that_rests_first_is_due_afterwards(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)

        assert jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=0.1, delay=0.2)

        assert due(jobs, Stage.EMBED) == []
        until = time.monotonic() + 5
        while not due(jobs, Stage.EMBED):
            assert time.monotonic() < until
            time.sleep(0.02)

    def test_jobs_that_run_or_are_over_are_not_due(self, jobs: JobStore) -> None:
        jobs.cancel(accepted(jobs))
        ended(jobs, JobState.SUCCEEDED)
        begun(jobs, accepted(jobs))

        assert due(jobs) == []

    def test_the_job_of_a_worker_that_let_its_lease_run_out_is_due_again(self, jobs: JobStore) -> None:
        alive, dead = accepted(jobs), accepted(jobs)
        begun(jobs, alive)
        begun(jobs, dead, lease_seconds=0)

        assert due(jobs, Stage.EMBED) == [], "at its own stage alone"
        assert due(jobs) == [(Stage.PARSE, dead)]

        assert record_of(jobs, dead).state is JobState.QUEUED
        assert record_of(jobs, alive).state is JobState.RUNNING

    def test_a_worker_that_could_not_reach_the_records_renews_its_lease_in_a_grace(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        """As after a restart of the server that was longer than a lease: it costs no attempt."""
        lease = begun(jobs, accepted(jobs))
        redis_client.zadd("{aegis}:leases", {lease.job.id: time.time() - 60})
        assert due(jobs) == []

        assert jobs.extend(lease, lease_seconds=30)

        redis_client.zadd("{aegis}:leases", {lease.job.id: time.time() - 60})
        assert due(jobs) == [], "the next time it has another grace"

    def test_a_worker_that_does_not_loses_it_after_the_grace(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        lease = begun(jobs, accepted(jobs))
        for _ in range(2):
            assert due(jobs) == []
            redis_client.zadd("{aegis}:leases", {lease.job.id: time.time() - 1})

        assert due(jobs) == [(Stage.PARSE, lease.job.id)]
        assert not jobs.extend(lease, lease_seconds=30)


class TestDuties:
    def test_a_duty_is_done_by_one_at_a_time(self, jobs: JobStore) -> None:
        with jobs.alone("sweep", seconds=60) as first, jobs.alone("sweep", seconds=60) as second:
            assert first
            assert not second
            with jobs.alone("prune", seconds=60) as other:
                assert other
        with jobs.alone("sweep", seconds=60) as later:
            assert later

    def test_a_duty_whose_time_is_over_is_somebody_elses(self, jobs: JobStore) -> None:
        with jobs.alone("sweep", seconds=0.02):
            deadline = time.monotonic() + 5
            taken = False
            while not taken and time.monotonic() < deadline:
                with jobs.alone("sweep", seconds=60) as taken:
                    pass
            assert taken

    def test_whose_time_is_over_knows(self, jobs: JobStore) -> None:
        with jobs.alone("sweep", seconds=0.05) as turn:
            assert turn
            until = time.monotonic() + 5
            while turn and time.monotonic() < until:
                time.sleep(0.01)
            assert not turn

    def test_whoever_is_at_a_duty_keeps_it(self, jobs: JobStore) -> None:
        with jobs.alone("sweep", seconds=60, followed_after=0.3):
            until = time.monotonic() + 1
            while time.monotonic() < until:
                with jobs.alone("sweep", seconds=60, followed_after=0.3) as taken:
                    assert not taken
                time.sleep(0.05)
