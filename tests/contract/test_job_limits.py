"""What every JobStore must refuse, take over, count and give up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
import redis
from uuid_utils.compat import uuid7

from rag.errors import Conflict, IdempotencyMismatch, NotFound, Overloaded
from rag.model import EventKind, Job, JobKind, JobState, Lease, NewJob, Stage
from rag.ports import JobStore
from rag.settings import Settings
from rag.stores.jobs import RedisJobStore
from rag.stores.jobs import base as job_scripts
from tests.contract.jobrecords import (
    PROBLEM,
    accepted,
    all_pages,
    at_once,
    begun,
    ended,
    new_job,
    pruned,
    record_of,
    states,
)


class TestAdmission:
    def test_a_full_kind_takes_no_more(self, jobs: JobStore) -> None:
        first, second = accepted(jobs), accepted(jobs)
        begun(jobs, first)
        refused_job = new_job()

        with pytest.raises(Overloaded, match="2 ingest jobs") as error:
            jobs.accept(refused_job, most_open=2)
        with pytest.raises(Overloaded):
            jobs.admit(JobKind.INGEST, most_open=2)

        assert error.value.retry_after == 10, "nothing ended lately"
        assert jobs.get(refused_job.id) is None
        jobs.cancel(second)
        jobs.admit(JobKind.INGEST, most_open=2)
        assert jobs.accept(refused_job, most_open=2).new

    def test_kinds_do_not_crowd_each_other_out(self, jobs: JobStore) -> None:
        accepted(jobs)
        jobs.admit(JobKind.QUERY, most_open=1)
        assert jobs.accept(new_job(JobKind.QUERY, Stage.EMBED_QUERY), most_open=1).new

    def test_a_repeated_submit_finds_its_job_and_makes_none(self, jobs: JobStore) -> None:
        assert jobs.repeated(idempotency_key="k", body_digest="d") is None
        first = jobs.accept(new_job(), idempotency_key="k", body_digest="d")

        again = jobs.repeated(idempotency_key="k", body_digest="d")

        assert again is not None
        assert (again.job, again.new) == (first.job, False)
        with pytest.raises(IdempotencyMismatch):
            jobs.repeated(idempotency_key="k", body_digest="another")

    def test_without_a_bound_all_are_taken(self, jobs: JobStore) -> None:
        assert all(jobs.accept(new_job(JobKind.DELETE, Stage.PURGE)).new for _ in range(5))

    def test_of_many_at_once_only_as_many_as_fit(self, jobs: JobStore) -> None:
        def try_one() -> bool:
            try:
                return jobs.accept(new_job(), most_open=3).new
            except Overloaded:
                return False

        assert sum(at_once(*[try_one] * 8)) == 3

    @pytest.mark.parametrize(("ends", "wait"), [(1, 60), (6, 10), (100, 1)])
    def test_the_time_to_come_back_follows_from_what_ends(
        self, jobs: JobStore, ends: int, wait: float
    ) -> None:
        for _ in range(ends):
            ended(jobs, JobState.SUCCEEDED)
        accepted(jobs)
        with pytest.raises(Overloaded) as error:
            jobs.accept(new_job(), most_open=1)
        assert error.value.retry_after == pytest.approx(wait, rel=0.5)
        assert error.value.retry_after is not None
        assert 1 <= error.value.retry_after <= 300

    def test_a_repeated_submit_is_answered_all_the_same(self, jobs: JobStore) -> None:
        job = new_job()
        first = jobs.accept(job, idempotency_key="k", body_digest="a", most_open=1)
        by_driver = jobs.accept(job, idempotency_key="k", body_digest="a", most_open=1)
        by_client = jobs.accept(new_job(), idempotency_key="k", body_digest="a", most_open=1)
        jobs.admit(JobKind.INGEST, most_open=1, idempotency_key="k")

        assert by_driver == first
        assert (by_client.job.id, by_client.new) == (job.id, False)
        with pytest.raises(Overloaded):
            jobs.admit(JobKind.INGEST, most_open=1, idempotency_key="other")

    def test_a_key_whose_submit_was_refused_is_free(self, jobs: JobStore) -> None:
        blocking = accepted(jobs)
        with pytest.raises(Overloaded):
            jobs.accept(new_job(), idempotency_key="k", body_digest="a", most_open=1)
        jobs.cancel(blocking)
        assert jobs.accept(new_job(), idempotency_key="k", body_digest="b", most_open=1).new


class TestTakeover:
    def again(self, jobs: JobStore, job_id: str, worker: str) -> Lease | None:
        return jobs.begin(job_id, Stage.PARSE, lease_seconds=30, worker=worker)

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
        shorter = dict.fromkeys(("parse_timeout", "generator_timeout", "interactive_timeout"), 31.0)
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

        assert [job.id for job in brisk.abandoned(silent_for=30, limit=10)] == [lease.job.id]
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


class TestRetries:
    def test_attempts_after_the_first_count_over_all_stages(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=0)
        begun(jobs, job_id, Stage.EMBED, lease_seconds=0)

        job = begun(jobs, job_id, Stage.EMBED).job

        assert (job.attempts, job.retries) == (2, 3)

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


class TestDeadLetters:
    def died(self, jobs: JobStore, code: str, collection: str = "docs") -> str:
        lease = begun(jobs, accepted(jobs, new_job(collection=collection)))
        assert jobs.finish(lease, JobState.DEAD, error=PROBLEM | {"type": f"urn:aegis:problem:{code}"})
        return lease.job.id

    def listed(self, jobs: JobStore, **asked: Any) -> list[str]:
        cursor, ids = None, []
        while True:
            window = jobs.dead(**{"reason": None, "collections": None, "limit": 2, **asked}, cursor=cursor)
            assert len(window.items) <= 2
            ids += [job.id for job in window.items]
            cursor = window.next
            if cursor is None:
                return ids

    def test_the_reason_is_the_class_of_the_last_error(self, jobs: JobStore) -> None:
        assert record_of(jobs, self.died(jobs, "timed-out")).reason == "timed-out"
        assert record_of(jobs, ended(jobs, JobState.FAILED)).reason is None

    def test_without_an_error_it_is_that_of_the_attempt_before(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        jobs.finish(begun(jobs, job_id), JobState.DEAD)
        assert record_of(jobs, job_id).reason == "unavailable"

    def test_they_are_listed_newest_first_by_reason_and_collection(self, jobs: JobStore) -> None:
        ids = [self.died(jobs, code, c) for code in ("crashed", "unavailable") for c in ("a", "b", "a")]
        ended(jobs, JobState.FAILED)

        assert self.listed(jobs) == ids[::-1]
        assert self.listed(jobs, reason="crashed") == ids[2::-1]
        assert self.listed(jobs, reason="unavailable", collections=["a"]) == [ids[5], ids[3]]
        assert self.listed(jobs, collections=["b"]) == [ids[4], ids[1]]
        assert self.listed(jobs, reason="timed-out") == []
        assert self.listed(jobs, collections=[]) == []

    def test_a_replay_takes_it_off_the_list(self, jobs: JobStore) -> None:
        job_id = self.died(jobs, "crashed")
        assert jobs.retry(job_id).state is JobState.QUEUED
        assert self.listed(jobs) == []
        assert pruned(jobs, most=0, finished=-60, dead=-60) == []

    def test_a_dropped_one_stays_as_failed_with_its_error(self, jobs: JobStore) -> None:
        before = record_of(jobs, self.died(jobs, "crashed"))

        job = jobs.drop(before.id)

        assert (job.state, job.error, job.reason) == (JobState.FAILED, before.error, None)
        assert job.finished_at == before.finished_at
        assert self.listed(jobs) == []
        assert states(jobs, job.id)[-1] == ("failed", "parse", 1)
        assert all_pages(jobs, state=JobState.FAILED) == [job.id]
        assert pruned(jobs, finished=-60) == [job.id]

    def test_only_dead_ones_are_dropped(self, jobs: JobStore) -> None:
        with pytest.raises(NotFound):
            jobs.drop("nobody")
        for job_id in (accepted(jobs), ended(jobs, JobState.FAILED), ended(jobs, JobState.SUCCEEDED)):
            with pytest.raises(Conflict, match="dead letters"):
                jobs.drop(job_id)

    def test_artefacts_are_kept_as_long_as_the_letter(
        self, jobs: JobStore, redis_client: redis.Redis
    ) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.put_artefact(lease, "a", b"1")
        jobs.finish(lease, JobState.DEAD, error=PROBLEM)
        left = redis_client.ttl(f"{{aegis}}:job:{lease.job.id}:artefacts")
        assert left == pytest.approx(30 * 86400, abs=60)


class TestRepeatedScripts:
    """The driver sends a script again when its answer was lost: nothing changes, the answer is the same."""

    @pytest.fixture(autouse=True)
    def _one_word_a_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        numbers = count()
        self.word = next(numbers)
        for part in ("desk", "work", "sweeping"):
            monkeypatch.setattr(f"{job_scripts.__package__}.{part}.only_word", lambda: f"word-{self.word}")

    @contextmanager
    def nothing_changes(self, jobs: JobStore, job_id: str) -> Iterator[None]:
        before = (jobs.get(job_id), jobs.events(job_id), jobs.counts())
        yield
        assert (jobs.get(job_id), jobs.events(job_id), jobs.counts()) == before

    def test_begin(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        for worker in ("w1", ""):
            lease = jobs.begin(job_id, Stage.PARSE, lease_seconds=30, worker=worker)
            assert lease is not None
            with self.nothing_changes(jobs, job_id):
                assert jobs.begin(job_id, Stage.PARSE, lease_seconds=30, worker=worker) == lease
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
            jobs.tidied(job_id)
        assert jobs.remains(limit=10) == []
