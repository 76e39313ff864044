"""What every JobStore must tell the sweeper: what was lost, is late, was left behind."""

import time

import redis

from rag.model import JobKind, JobState, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, ended, late, new_job


class TestSweeping:
    def test_queued_jobs_are_due_when_their_message_is_old(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        job_id, fresh = accepted(jobs), accepted(jobs)
        redis_client.zadd("{aegis}:published", {job_id: time.time() - 60})
        assert [job.id for job in jobs.overdue([Stage.PARSE], silent_for=30, limit=10)] == [job_id]
        assert late(jobs) == [job_id, fresh]

        jobs.touch(job_id)

        assert jobs.overdue([Stage.PARSE], silent_for=30, limit=10) == []

    def test_only_the_stages_asked_for(self, jobs: JobStore) -> None:
        accepted(jobs)
        query = accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY))
        found = jobs.overdue([Stage.EMBED_QUERY, Stage.SEARCH], silent_for=-60, limit=10)
        assert [job.id for job in found] == [query]

    def test_a_retry_is_due_when_its_pause_is_over(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)

        jobs.requeue(begun(jobs, job_id), error=PROBLEM, delay=90)

        assert late(jobs) == []
        assert jobs.delayed([Stage.PARSE]) == 1
        assert jobs.delayed([Stage.EMBED]) == 0
        assert [job.id for job in jobs.overdue([Stage.PARSE], silent_for=-100, limit=10)] == [job_id]

    def test_running_jobs_are_abandoned_when_their_lease_ran_out(self, jobs: JobStore) -> None:
        alive, dead = accepted(jobs), accepted(jobs)
        begun(jobs, alive)
        begun(jobs, dead, lease_seconds=0)

        found = jobs.abandoned(silent_for=30, limit=10)
        jobs.touch(dead)

        assert [(job.id, job.state) for job in found] == [(dead, JobState.RUNNING)]
        assert jobs.abandoned(silent_for=30, limit=10) == []
        assert [job.id for job in jobs.abandoned(silent_for=-60, limit=10)] == [dead]
        assert late(jobs) == []

    def test_jobs_that_are_over_are_not_due(self, jobs: JobStore) -> None:
        jobs.cancel(accepted(jobs))
        job_id = ended(jobs, JobState.SUCCEEDED)
        jobs.touch(job_id)
        assert late(jobs) == []
        assert jobs.abandoned(silent_for=-60, limit=10) == []

    def test_no_more_than_asked_for_and_the_oldest_first(self, jobs: JobStore) -> None:
        ids = [accepted(jobs) for _ in range(4)]
        for _ in range(3):
            begun(jobs, accepted(jobs), lease_seconds=0)
        assert late(jobs, limit=3) == ids[:3]
        assert len(jobs.abandoned(silent_for=30, limit=2)) == 2

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
