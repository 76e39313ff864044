"""What every JobStore must make of a clock that jumps."""

import time

import redis

from rag.model import Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import accepted, begun


class TestClock:
    """Times that lie further ahead than they can are from before the server's clock jumped back."""

    HOUR = 3600.0

    def test_a_lease_that_ends_too_late_is_over(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        job_id = accepted(jobs)
        begun(jobs, job_id)
        redis_client.zadd("{aegis}:leases", {job_id: time.time() + self.HOUR})

        assert [job.id for job in jobs.abandoned(silent_for=30, limit=10)] == [job_id]
        assert begun(jobs, job_id).job.attempts == 2

    def test_a_worker_that_lives_keeps_its_lease(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        redis_client.zadd("{aegis}:leases", {lease.job.id: time.time() + self.HOUR})
        redis_client.hset(f"{{aegis}}:job:{lease.job.id}", "seen", time.time() + self.HOUR)

        assert jobs.extend(lease, lease_seconds=30)

        assert jobs.abandoned(silent_for=30, limit=10) == []

    def test_a_message_of_the_future_counts_as_lost(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        job_id = accepted(jobs)
        redis_client.zadd("{aegis}:published", {job_id: time.time() + self.HOUR})

        assert [job.id for job in jobs.overdue([Stage.PARSE], silent_for=30, limit=10)] == [job_id]
        assert jobs.delayed([Stage.PARSE]) == 0

    def test_an_abandoned_job_sent_in_the_future_is_sent_again(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        job_id = accepted(jobs)
        begun(jobs, job_id, lease_seconds=0)
        redis_client.zadd("{aegis}:published", {job_id: time.time() + self.HOUR})
        assert [job.id for job in jobs.abandoned(silent_for=30, limit=10)] == [job_id]

    def test_waiting_is_never_counted_backwards(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        job_id = accepted(jobs)
        redis_client.hset(f"{{aegis}}:job:{job_id}", "queued_at", time.time() + self.HOUR)
        assert begun(jobs, job_id).job.timings["queue"] == 0

    def test_a_jump_ahead_does_not_make_a_lease_stale(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        lease = begun(jobs, accepted(jobs))
        redis_client.hset(f"{{aegis}}:job:{lease.job.id}", "seen", time.time() - self.HOUR)
        assert jobs.extend(lease, lease_seconds=30)
