"""What every JobStore must do with jobs that are tried again, and how it counts that."""

import time

import pytest

from rag.errors import Conflict, NotFound
from rag.model import JobState, Progress, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, ended, new_job, pruned, record_of


class TestRetry:
    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.DEAD, JobState.CANCELLED])
    def test_resumes_at_the_stage_where_it_ended(self, jobs: JobStore, state: JobState) -> None:
        job_id = accepted(jobs)
        jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=1)
        lease = begun(jobs, job_id, Stage.EMBED)
        jobs.progress(lease, Progress(1, 2))
        jobs.finish(lease, state, error=PROBLEM)

        job = jobs.retry(job_id)

        assert (job.state, job.stage, job.attempts) == (JobState.QUEUED, Stage.EMBED, 0)
        assert (job.error, job.finished_at, job.progress) == (None, None, Progress())
        assert job.queue_position == 1
        assert begun(jobs, job_id, Stage.EMBED).token > lease.token
        assert not jobs.extend(lease, lease_seconds=30)
        assert not jobs.finish(lease, state)

    def test_it_starts_when_it_is_begun_again(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        first = begun(jobs, job_id)
        jobs.finish(first, JobState.DEAD, error=PROBLEM)

        waiting = jobs.retry(job_id)
        again = begun(jobs, job_id).job

        assert waiting.started_at is None
        assert first.job.started_at is not None
        assert again.started_at is not None
        assert first.job.started_at < waiting.queued_at <= again.started_at

    def test_a_deadline_moves_along(self, jobs: JobStore) -> None:
        now = time.time()
        job_id = accepted(jobs, new_job(deadline=now + 100))
        jobs.cancel(job_id)

        job = jobs.retry(job_id)

        assert job.deadline == pytest.approx(now + 100, abs=5)
        assert job.deadline is not None
        assert job.deadline > now + 100

    def test_only_jobs_that_ended_badly(self, jobs: JobStore) -> None:
        with pytest.raises(NotFound):
            jobs.retry("nobody")
        with pytest.raises(Conflict, match="queued"):
            jobs.retry(accepted(jobs))
        with pytest.raises(Conflict, match="succeeded"):
            jobs.retry(ended(jobs, JobState.SUCCEEDED))

    def test_a_retried_job_is_not_pruned(self, jobs: JobStore) -> None:
        job_id = ended(jobs, JobState.FAILED)
        jobs.retry(job_id)
        assert pruned(jobs, most=0, finished=-60, dead=-60) == []
        assert jobs.get(job_id) is not None


class TestRetries:
    def test_attempts_after_the_first_count_over_all_stages(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=0)
        begun(jobs, job_id, Stage.EMBED, lease_seconds=0)

        job = begun(jobs, job_id, Stage.EMBED).job

        assert (job.attempts, job.retries) == (2, 3)

    def test_an_attempt_that_does_not_count_leaves_the_budget_as_it_was(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        before = record_of(jobs, job_id)
        for _ in range(5):
            assert jobs.requeue(begun(jobs, job_id), error=PROBLEM, counted=False)

        after = record_of(jobs, job_id)

        assert (after.attempts, after.retries) == (before.attempts, before.retries) == (1, 0)
        assert (after.state, after.error) == (JobState.QUEUED, PROBLEM)

    def test_a_step_back_counts_as_one(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=0)
        jobs.advance(begun(jobs, job_id, Stage.EMBED), Stage.PARSE, seconds=0)
        assert record_of(jobs, job_id).retries == 1

    def test_a_slice_that_is_done_gives_the_budget_back(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)

        jobs.advance(begun(jobs, job_id), Stage.PARSE, seconds=0)

        assert record_of(jobs, job_id).stage is Stage.PARSE
        job = begun(jobs, job_id).job
        assert (job.attempts, job.retries) == (1, 0)

    def test_a_retry_by_hand_starts_anew(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        jobs.finish(begun(jobs, job_id), JobState.DEAD, error=PROBLEM)

        job = jobs.retry(job_id)

        assert (job.attempts, job.retries, job.reason) == (0, 0, None)

    def test_a_second_retry_gives_no_longer_than_the_first(self, jobs: JobStore) -> None:
        job_id = accepted(jobs, new_job(deadline=time.time() + 100))
        for _ in range(2):
            jobs.cancel(job_id)
            deadline = jobs.retry(job_id).deadline
            assert deadline == pytest.approx(time.time() + 100, abs=5)
