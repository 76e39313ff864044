"""What every JobStore must make of its server, and of a driver that asks twice."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
import redis

from rag.errors import Conflict, Unavailable
from rag.jobs import RedisJobStore, scripts
from rag.model import EventKind, Job, JobState, Stage
from rag.ports import JobStore
from rag.redis.connection import connect_to
from rag.settings import Settings
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, ended, new_job
from tests.deliveries import begin


class TestServer:
    def test_ping_tells_whether_it_is_there(self, jobs: JobStore) -> None:
        jobs.ping()
        with pytest.raises(Unavailable, match="Redis"):
            RedisJobStore(connect_to("unix:///nowhere/at-all.sock"), Settings()).ping()

    def test_every_change_is_announced(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        with redis_client.pubsub(ignore_subscribe_messages=True) as pubsub:
            pubsub.subscribe("{aegis}:changes")
            pubsub.get_message(timeout=5)
            job_id = accepted(jobs)
            message = pubsub.get_message(timeout=5)
        assert message is not None
        assert message["data"] == job_id.encode()

    def test_all_keys_share_one_slot(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.put_artefact(lease, "a", b"1")
        jobs.accept(new_job(), idempotency_key="k")
        assert all(key.startswith(b"{aegis}:") for key in redis_client.scan_iter("*"))

    def test_scripts_survive_a_server_that_forgot_them(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        accepted(jobs)
        redis_client.script_flush()
        assert accepted(jobs)

    def test_inputs_are_kept_as_they_were_sent(self, jobs: JobStore) -> None:
        job = new_job()
        stored = jobs.accept(job).job
        assert json.dumps(stored.inputs) == json.dumps(job.inputs)


class TestRepeatedScripts:
    """The driver sends a script again when its answer was lost: nothing changes, the answer is the same."""

    @pytest.fixture(autouse=True)
    def _one_word_a_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        numbers = count()
        self.word = next(numbers)
        for part in ("store", "leases", "upkeep"):
            monkeypatch.setattr(f"{scripts.__package__}.{part}.call_token", lambda: f"word-{self.word}")

    @contextmanager
    def nothing_changes(self, jobs: JobStore, job_id: str) -> Iterator[None]:
        before = (jobs.get(job_id), jobs.events(job_id), jobs.counts())
        yield
        assert (jobs.get(job_id), jobs.events(job_id), jobs.counts()) == before

    def test_begin(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        for worker in ("w1", "w2"):
            lease = begin(jobs, job_id, Stage.PARSE, lease_seconds=30, worker=worker)
            assert lease is not None
            with self.nothing_changes(jobs, job_id):
                assert begin(jobs, job_id, Stage.PARSE, lease_seconds=30, worker=worker) == lease
            jobs.requeue(lease, error=PROBLEM)
            self.word += 1

    def test_requeue(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        assert jobs.requeue(lease, error=PROBLEM, delay=3)
        with self.nothing_changes(jobs, lease.job.id):
            assert jobs.requeue(lease, error=PROBLEM, delay=3)

    def test_finish_of_a_dead_job(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        assert jobs.finish(lease, JobState.DEAD, error=PROBLEM)
        with self.nothing_changes(jobs, lease.job.id):
            assert jobs.finish(lease, JobState.DEAD, error=PROBLEM)

    def test_cancel(self, jobs: JobStore) -> None:
        job_id = begun(jobs, accepted(jobs)).job.id
        first = jobs.cancel(job_id)
        with self.nothing_changes(jobs, job_id):
            assert jobs.cancel(job_id) == first
        self.word += 1
        with pytest.raises(Conflict):
            jobs.cancel(job_id)

    def test_retry(self, jobs: JobStore) -> None:
        job_id = ended(jobs, JobState.DEAD)
        first = jobs.retry(job_id)
        with self.nothing_changes(jobs, job_id):
            assert jobs.retry(job_id) == first
        self.word += 1
        with pytest.raises(Conflict):
            jobs.retry(job_id)

    def test_drop(self, jobs: JobStore) -> None:
        job_id = ended(jobs, JobState.DEAD)
        first = jobs.drop(job_id)
        with self.nothing_changes(jobs, job_id):
            assert jobs.drop(job_id) == first
        self.word += 1
        with pytest.raises(Conflict):
            jobs.drop(job_id)

    def test_expire(self, jobs: JobStore) -> None:
        job_id = accepted(jobs, new_job(deadline=time.time() - 1))
        assert jobs.expire(job_id, error=PROBLEM)
        with self.nothing_changes(jobs, job_id):
            assert jobs.expire(job_id, error=PROBLEM)
        self.word += 1
        assert not jobs.expire(job_id, error=PROBLEM)

    def test_emit(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        assert jobs.emit(lease, EventKind.TOKEN, {"text": "a"})
        with self.nothing_changes(jobs, lease.job.id):
            assert jobs.emit(lease, EventKind.TOKEN, {"text": "a"})

    def test_tidying(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.cancel(job_id)
        for _ in range(2):
            tidied: Job | None = jobs.tidy(job_id, seconds=60)
            assert tidied is not None
        for _ in range(2):
            jobs.confirm_tidy(job_id)
        assert jobs.leftovers(limit=10) == []
