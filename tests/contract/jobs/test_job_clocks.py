"""What every JobStore must make of a clock that jumps."""

import time

import redis

from rag.model import Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import accepted, begun, due


class TestClock:
    """Times that lie further ahead than they can are from before the server's clock jumped back."""

    HOUR = 3600.0

    def test_a_lease_that_ends_too_late_is_over(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        for _ in range(2):  # the second time its grace is over
            redis_client.zadd("{aegis}:leases", {lease.job.id: time.time() + self.HOUR})
            assert due(jobs) == [] or due(jobs) == [(Stage.PARSE, lease.job.id)]

        assert begun(jobs, lease.job.id).job.attempts == 2

    def test_a_worker_that_lives_keeps_its_lease(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        redis_client.zadd("{aegis}:leases", {lease.job.id: time.time() + self.HOUR})
        redis_client.hset(f"{{aegis}}:job:{lease.job.id}", "seen", time.time() + self.HOUR)

        assert jobs.extend(lease, lease_seconds=30)

        assert due(jobs) == []

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
