"""What every JobStore must tell the sweeper: what was lost, is late, was left behind, is to be forgotten."""

import time

import pytest
import redis

from rag.errors import Conflict
from rag.model import EventKind, JobKind, JobState, Progress, Stage
from rag.ports import JobStore
from tests.contract.jobrecords import (
    PROBLEM,
    accepted,
    all_pages,
    begun,
    ended,
    keys,
    kinds,
    late,
    new_job,
    pruned,
    record_of,
)


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
            assert (first, second) == (True, False)
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

        assert {key for key in keys(redis_client) if b":events" not in key} == kept

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
        assert jobs.begin(job_id, Stage.PARSE, lease_seconds=30) is None
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


class TestRemains:
    def remains(self, jobs: JobStore) -> list[str]:
        return [job.id for job in jobs.remains(limit=10)]

    def test_of_ingestions_that_ended_without_success(self, jobs: JobStore) -> None:
        cancelled = accepted(jobs)
        jobs.cancel(cancelled)
        failed = ended(jobs, JobState.FAILED)
        ended(jobs, JobState.SUCCEEDED)
        dead = ended(jobs, JobState.DEAD)
        query = accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY))
        jobs.cancel(query)

        assert self.remains(jobs) == [cancelled, failed]
        jobs.drop(dead)
        assert self.remains(jobs) == [cancelled, failed, dead]

    def test_they_are_removed_once(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.cancel(job_id)

        assert jobs.tidy(job_id, seconds=60) == jobs.get(job_id)
        jobs.tidied(job_id)

        assert self.remains(jobs) == []

    def test_they_stay_listed_until_that_is_done(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.cancel(job_id)
        assert jobs.tidy(job_id, seconds=60)
        assert self.remains(jobs) == [job_id]

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

        jobs.tidied(job_id)

        assert jobs.retry(job_id).state is JobState.QUEUED
        assert jobs.tidy(job_id, seconds=60) is None
        assert self.remains(jobs) == []

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
        jobs.tidied(lease.job.id)

        assert self.remains(jobs) == []
        later = redis_client.zscore("{aegis}:remains", lease.job.id)
        assert later is not None
        assert later > time.time() + 900, "longer than any stage may run"

    def test_an_attempt_that_writes_no_more_is_not(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.cancel(lease.job.id)

        assert jobs.tidy(lease.job.id, seconds=60)
        jobs.tidied(lease.job.id, lease=lease)

        assert redis_client.zcard("{aegis}:remains") == 0

    def test_an_earlier_attempt_cannot_speak_for_the_last_one(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        first = begun(jobs, accepted(jobs), lease_seconds=0)
        begun(jobs, first.job.id)
        jobs.cancel(first.job.id)

        jobs.tidy(first.job.id, seconds=60)
        jobs.tidied(first.job.id, lease=first)

        assert redis_client.zcard("{aegis}:remains") == 1


class TestOldEvents:
    def test_of_a_job_over_long_ago_the_end_is_told(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.emit(lease, EventKind.TOKEN, {"text": "a"})
        jobs.finish(lease, JobState.SUCCEEDED, result={"answer": "a"})
        whole = jobs.events(lease.job.id)
        assert 0 < redis_client.ttl(f"{{aegis}}:job:{lease.job.id}:events") <= 600

        redis_client.delete(f"{{aegis}}:job:{lease.job.id}:events")

        end = jobs.events(lease.job.id)
        assert end == whole[-2:]
        assert jobs.events(lease.job.id, after=whole[-3].id) == end
        assert jobs.events(lease.job.id, after=end[0].id) == end[1:]
        assert jobs.events(lease.job.id, after=end[-1].id) == []

    def test_the_same_progress_again_is_no_news(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        assert jobs.progress(lease, Progress(1, 2))
        assert jobs.progress(lease, Progress(1, 2))
        assert kinds(jobs, lease.job.id).count("progress") == 1
