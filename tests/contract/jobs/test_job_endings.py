"""How every JobStore must end jobs that are cancelled, or past their deadline."""

import time

import pytest
import redis

from rag.errors import Conflict, NotFound
from rag.model import EventKind, JobState, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import (
    PROBLEM,
    accepted,
    at_once,
    begun,
    ended,
    kinds,
    new_job,
    record_of,
    refused,
    states,
)
from tests.deliveries import begin


class TestCancel:
    def test_a_queued_job_never_begins(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)

        job = jobs.cancel(job_id)

        assert (job.state, job.queue_position) == (JobState.CANCELLED, None)
        assert job.finished_at is not None
        assert begin(jobs, job_id, Stage.PARSE, lease_seconds=30) is None
        assert jobs.depth(Stage.PARSE) == 0
        assert states(jobs, job_id)[-1] == ("cancelled", "parse", 0)

    def test_a_running_job_loses_its_lease(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))

        jobs.cancel(lease.job.id)

        assert not jobs.extend(lease, lease_seconds=30)
        assert not jobs.emit(lease, EventKind.TOKEN, {"text": "x"})
        assert not jobs.finish(lease, JobState.SUCCEEDED)

    def test_only_jobs_that_are_not_over(self, jobs: JobStore) -> None:
        with pytest.raises(NotFound):
            jobs.cancel("nobody")
        for state in (state for state in JobState if state.final):
            with pytest.raises(Conflict, match=state):
                jobs.cancel(ended(jobs, state))

    def test_against_finish_one_wins_and_both_know(self, jobs: JobStore) -> None:
        for _ in range(20):
            lease = begun(jobs, accepted(jobs))
            late, finished = at_once(
                lambda of=lease: refused(lambda: jobs.cancel(of.job.id)),
                lambda of=lease: jobs.finish(of, JobState.SUCCEEDED, result={}),
            )
            job = jobs.get(lease.job.id)
            assert job is not None
            assert late == finished == (job.state is JobState.SUCCEEDED)


class TestExpiry:
    def test_a_queued_job_past_its_deadline_is_ended(self, jobs: JobStore) -> None:
        kept = accepted(jobs, new_job(deadline=time.time() + 100))
        job_id = accepted(jobs, new_job(deadline=time.time() - 1))
        accepted(jobs)

        assert [job.id for job in jobs.expired(limit=10)] == [job_id]
        assert jobs.expire(job_id, error=PROBLEM)

        job = record_of(jobs, job_id)
        assert (job.state, job.error, job.queue_position) == (JobState.FAILED, PROBLEM, None)
        assert job.finished_at is not None
        assert kinds(jobs, job_id)[-2:] == ["state", "error"]
        assert jobs.expired(limit=10) == []
        assert begin(jobs, job_id, Stage.PARSE, lease_seconds=30) is None
        assert jobs.depth(Stage.PARSE) == 2
        assert record_of(jobs, kept).state is JobState.QUEUED

    def test_one_that_was_begun_meanwhile_goes_on(self, jobs: JobStore) -> None:
        job_id = accepted(jobs, new_job(deadline=time.time() - 1))
        lease = begun(jobs, job_id)

        assert jobs.expired(limit=10) == []
        assert not jobs.expire(job_id, error=PROBLEM)

        assert jobs.extend(lease, lease_seconds=30)

    def test_one_without_a_deadline_or_before_it_is_left_alone(self, jobs: JobStore) -> None:
        for job_id in (accepted(jobs), accepted(jobs, new_job(deadline=time.time() + 100)), "nobody"):
            assert not jobs.expire(job_id, error=PROBLEM)

    def test_waiting_for_the_next_stage_or_attempt_counts_too(self, jobs: JobStore) -> None:
        first, second = (accepted(jobs, new_job(deadline=time.time() - 1)) for _ in range(2))
        jobs.advance(begun(jobs, first), Stage.EMBED, seconds=0)
        jobs.requeue(begun(jobs, second), error=PROBLEM)
        assert {job.id for job in jobs.expired(limit=10)} == {first, second}

    def test_jobs_that_are_over_do_not_expire(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        finished, cancelled = (accepted(jobs, new_job(deadline=time.time() - 1)) for _ in range(2))
        jobs.finish(begun(jobs, finished), JobState.SUCCEEDED)
        jobs.cancel(cancelled)
        assert jobs.expired(limit=10) == []
        assert redis_client.zcard("{aegis}:deadlines") == 0

    def test_no_more_than_asked_for(self, jobs: JobStore) -> None:
        for _ in range(3):
            accepted(jobs, new_job(deadline=time.time() - 1))
        assert len(jobs.expired(limit=2)) == 2
