"""What every JobStore must forget, and when."""

import pytest
import redis

from rag.model import JobState
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import PROBLEM, accepted, all_pages, begun, ended, keys, pruned


class TestPruning:
    def test_everything_of_what_ended_before_is_forgotten(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        waiting = accepted(jobs)
        kept = keys(redis_client)
        lease = begun(jobs, accepted(jobs))
        jobs.put_artefact(lease, "a", b"1")
        jobs.finish(lease, JobState.FAILED, error=PROBLEM)
        second = ended(jobs, JobState.SUCCEEDED)
        third = accepted(jobs)
        jobs.cancel(third)

        assert pruned(jobs, finished=60) == []
        assert pruned(jobs, finished=-60, limit=2) == [lease.job.id, second]
        assert pruned(jobs, finished=-60) == [third]

        assert all_pages(jobs) == [waiting]
        assert keys(redis_client) == kept

    def test_dead_letters_are_kept_longer(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        kept = keys(redis_client)
        dead, failed = ended(jobs, JobState.DEAD), ended(jobs, JobState.FAILED)

        assert pruned(jobs, finished=-60) == [failed]
        assert pruned(jobs, dead=-60) == [dead]

        assert keys(redis_client) == kept

    def test_results_are_not_read_again_to_forget_their_jobs(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        assert jobs.finish(lease, JobState.SUCCEEDED, result={"answer": "x" * 100_000})

        (job,) = jobs.prune(finished_before=4e9, dead_before=4e9, most=100, limit=9)

        assert (job.id, job.result) == (lease.job.id, None)

    def test_of_too_many_the_oldest_go(self, jobs: JobStore) -> None:
        finished = [ended(jobs, JobState.SUCCEEDED) for _ in range(5)]
        dead = [ended(jobs, JobState.DEAD) for _ in range(4)]

        assert pruned(jobs, most=3) == [*finished[:2], dead[0]]
        assert pruned(jobs, most=3) == []

    def test_one_call_is_bounded(self, jobs: JobStore) -> None:
        ids = [ended(jobs, JobState.SUCCEEDED) for _ in range(5)]
        assert pruned(jobs, most=0, limit=2) == ids[:2]
        assert pruned(jobs, most=0, limit=2) == ids[2:4]

    def test_records_that_went_by_themselves_leave_no_trace(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        kept = keys(redis_client)
        for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD):
            redis_client.delete(f"{{aegis}}:job:{ended(jobs, state)}")

        assert pruned(jobs, finished=-60, dead=-60) == []

        left = keys(redis_client) - kept
        assert {key for key in left if b":events" not in key and b":about:" not in key} == set()
        assert all(redis_client.ttl(key) > 0 for key in left)

    def test_records_end_by_themselves_when_nobody_prunes(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        week = 7 * 86400
        lives = {
            state: redis_client.ttl(f"{{aegis}}:job:{ended(jobs, state)}")
            for state in (JobState.FAILED, JobState.DEAD)
        }
        assert lives[JobState.FAILED] == pytest.approx(72 * 3600 + week, abs=60)
        assert lives[JobState.DEAD] == pytest.approx(30 * 86400 + week, abs=60)
