"""Who holds a stage in every JobStore, for how long, and who takes it over."""

import pytest
import redis
from uuid_utils.compat import uuid7

from rag.errors import NotFound
from rag.jobs import RedisJobStore
from rag.model import EventKind, JobKind, JobState, Lease, NewJob, Progress, Stage
from rag.ports import JobStore
from rag.settings import Settings
from tests.contract.jobs.jobrecords import PROBLEM, accepted, at_once, begun, due, states
from tests.deliveries import begin


class TestLease:
    def test_beginning_makes_the_job_running(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)

        lease = begun(jobs, job_id)

        assert lease.job == jobs.get(job_id)
        assert (lease.job.state, lease.job.attempts, lease.token) == (JobState.RUNNING, 1, lease.job.token)
        assert lease.job.started_at is not None
        assert lease.job.timings["queue"] == pytest.approx(
            lease.job.started_at - lease.job.queued_at, abs=1e-3
        )
        assert states(jobs, job_id)[-1] == ("running", "parse", 1)

    def test_a_job_is_begun_once_and_at_its_stage_alone(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        assert begin(jobs, job_id, Stage.EMBED, lease_seconds=30) is None
        lease = begun(jobs, job_id)

        assert begin(jobs, job_id, Stage.PARSE, lease_seconds=30) is None
        assert jobs.finish(lease, JobState.SUCCEEDED)
        assert begin(jobs, job_id, Stage.PARSE, lease_seconds=30) is None

    def test_one_of_many_beginners_wins(self, jobs: JobStore) -> None:
        for _ in range(10):
            job_id = accepted(jobs)
            leases = at_once(*[lambda at=job_id: begin(jobs, at, Stage.PARSE, lease_seconds=30)] * 4)
            assert sum(lease is not None for lease in leases) == 1

    def test_a_lease_that_ran_out_is_taken_over(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        begun(jobs, job_id, lease_seconds=0)

        taken = begun(jobs, job_id)

        assert taken.job.attempts == 2
        assert states(jobs, job_id)[-1] == ("running", "parse", 2)

    def test_a_lease_lives_on_when_extended(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        lease = begun(jobs, job_id, lease_seconds=0)

        assert jobs.extend(lease, lease_seconds=30)

        assert begin(jobs, job_id, Stage.PARSE, lease_seconds=30) is None

    def test_an_attempt_that_lost_its_lease_writes_nothing(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        late = begun(jobs, job_id, lease_seconds=0)
        begun(jobs, job_id)
        record, events = jobs.get(job_id), jobs.events(job_id)

        assert not jobs.extend(late, lease_seconds=30)
        assert not jobs.progress(late, Progress(1, 2))
        assert not jobs.emit(late, EventKind.TOKEN, {"text": "late"})
        assert not jobs.put_artefact(late, "a", b"late")
        assert not jobs.advance(late, Stage.EMBED, seconds=1)
        assert not jobs.requeue(late, error=PROBLEM)
        assert not jobs.release(late)
        assert not jobs.finish(late, JobState.SUCCEEDED, result={})

        assert (jobs.get(job_id), jobs.events(job_id)) == (record, events)
        with pytest.raises(NotFound):
            jobs.artefact(job_id, "a")


class TestTakeover:
    def again(self, jobs: JobStore, job_id: str, worker: str) -> Lease | None:
        return begin(jobs, job_id, Stage.PARSE, lease_seconds=30, worker=worker)

    def test_what_a_child_held_that_died_is_its_workers(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        died = self.again(jobs, job_id, "w1")
        assert died is not None

        taken = self.again(jobs, job_id, "w1")

        assert taken is not None
        assert (taken.job.attempts, taken.job.retries) == (2, 1)
        assert taken.token > died.token
        assert not jobs.extend(died, lease_seconds=30)

    @pytest.mark.parametrize("worker", ["w2", "w", "w11", ""])
    def test_what_another_worker_holds_is_not(self, jobs: JobStore, worker: str) -> None:
        job_id = accepted(jobs)
        assert self.again(jobs, job_id, "w1")
        assert self.again(jobs, job_id, worker) is None

    def test_the_nameless_take_nothing_over(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        assert self.again(jobs, job_id, "")
        assert self.again(jobs, job_id, "") is None

    def test_a_stage_that_came_back_is_begun_afresh(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        lease = self.again(jobs, job_id, "w1")
        assert lease is not None
        jobs.requeue(lease, error=PROBLEM)
        assert self.again(jobs, job_id, "w2")
        assert self.again(jobs, job_id, "w1") is None


class TestStaleLease:
    """A stage is held for STALE_LEASE_SECONDS at most, however lively its keeper is."""

    @pytest.fixture
    def brisk(self, redis_client: redis.Redis) -> JobStore:
        """Stages may be held for 60 s."""
        longer = {"stage_timeout": 40.0, "visibility_timeout": 50.0, "stale_lease_seconds": 60.0}
        shorter = dict.fromkeys(
            ("parse_timeout", "fetch_timeout", "generator_timeout", "interactive_timeout"), 31.0
        )
        return RedisJobStore(redis_client, Settings(**longer, **shorter))

    def held(self, client: redis.Redis, job_id: str) -> None:
        """Let 29 seconds pass."""
        key = f"{{aegis}}:job:{job_id}"
        client.hset(key, "seen", float(client.hget(key, "seen")) - 29)

    def test_it_is_extended_no_more_and_free_for_others(
        self, brisk: JobStore, redis_client: redis.Redis
    ) -> None:
        lease = begun(brisk, accepted(brisk))
        for _ in range(2):
            self.held(redis_client, lease.job.id)
            assert brisk.extend(lease, lease_seconds=30)
        self.held(redis_client, lease.job.id)

        assert not brisk.extend(lease, lease_seconds=30)
        assert not brisk.extend(lease, lease_seconds=30)

        redis_client.hset(f"{{aegis}}:job:{lease.job.id}", "lease", 0)  # without a grace
        assert due(brisk) == [(Stage.PARSE, lease.job.id)]
        assert begun(brisk, lease.job.id).job.attempts == 2

    def test_one_about_backups_is_held_for_longer(self, brisk: JobStore, redis_client: redis.Redis) -> None:
        restore = NewJob(str(uuid7()), JobKind.RESTORE, Stage.LOAD, "", {})
        lease = begun(brisk, accepted(brisk, restore), Stage.LOAD)
        for _ in range(4):
            self.held(redis_client, lease.job.id)
            assert brisk.extend(lease, lease_seconds=30)

    def test_every_stage_has_the_whole_time(self, brisk: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(brisk, accepted(brisk))
        for _ in range(2):
            self.held(redis_client, lease.job.id)
            assert brisk.extend(lease, lease_seconds=30)
        brisk.advance(lease, Stage.EMBED, seconds=58)
        following = begun(brisk, lease.job.id, Stage.EMBED)

        self.held(redis_client, lease.job.id)

        assert brisk.extend(following, lease_seconds=30)
