"""What every JobStore must tell of what ended ingestions left behind."""

import time

import pytest
import redis

from rag.errors import Conflict
from rag.model import JobKind, JobState, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import accepted, begun, ended, new_job


class TestRemains:
    def leftovers(self, jobs: JobStore) -> list[str]:
        return [job.id for job in jobs.leftovers(limit=10)]

    def test_of_ingestions_that_ended_without_success(self, jobs: JobStore) -> None:
        cancelled = accepted(jobs)
        jobs.cancel(cancelled)
        failed = ended(jobs, JobState.FAILED)
        ended(jobs, JobState.SUCCEEDED)
        dead = ended(jobs, JobState.DEAD)
        query = accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY))
        jobs.cancel(query)

        assert self.leftovers(jobs) == [cancelled, failed]
        jobs.drop(dead)
        assert self.leftovers(jobs) == [cancelled, failed, dead]

    def test_they_are_removed_once(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.cancel(job_id)

        assert jobs.tidy(job_id, seconds=60) == jobs.get(job_id)
        jobs.confirm_tidy(job_id)

        assert self.leftovers(jobs) == []

    def test_they_stay_listed_until_that_is_done(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.cancel(job_id)
        assert jobs.tidy(job_id, seconds=60)
        assert self.leftovers(jobs) == [job_id]

    def test_what_a_job_still_needs_is_not_to_be_removed(self, jobs: JobStore) -> None:
        queued, dead = accepted(jobs), ended(jobs, JobState.DEAD)
        running = begun(jobs, accepted(jobs)).job.id
        for job_id in (queued, running, dead, "nobody"):
            assert jobs.tidy(job_id, seconds=60) is None

    def test_nobody_retries_while_they_are_removed(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.cancel(job_id)
        jobs.tidy(job_id, seconds=60)
        with pytest.raises(Conflict, match="moment"):
            jobs.retry(job_id)

        jobs.confirm_tidy(job_id)

        assert jobs.retry(job_id).state is JobState.QUEUED
        assert jobs.tidy(job_id, seconds=60) is None
        assert self.leftovers(jobs) == []

    def test_whoever_dies_at_it_blocks_no_retry_for_long(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.cancel(job_id)
        jobs.tidy(job_id, seconds=0)
        assert jobs.retry(job_id).state is JobState.QUEUED

    def test_an_attempt_that_may_still_write_is_waited_for(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.cancel(lease.job.id)

        assert jobs.tidy(lease.job.id, seconds=60)
        jobs.confirm_tidy(lease.job.id)

        assert self.leftovers(jobs) == []
        later = redis_client.zscore("{aegis}:remains", lease.job.id)
        assert later is not None
        assert later > time.time() + 900, "longer than any stage may run"

    def test_an_attempt_that_writes_no_more_is_not(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.cancel(lease.job.id)

        assert jobs.tidy(lease.job.id, seconds=60)
        jobs.confirm_tidy(lease.job.id, lease=lease)

        assert redis_client.zcard("{aegis}:remains") == 0

    def test_an_earlier_attempt_cannot_speak_for_the_last_one(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        first = begun(jobs, accepted(jobs), lease_seconds=0)
        begun(jobs, first.job.id)
        jobs.cancel(first.job.id)

        jobs.tidy(first.job.id, seconds=60)
        jobs.confirm_tidy(first.job.id, lease=first)

        assert redis_client.zcard("{aegis}:remains") == 1
