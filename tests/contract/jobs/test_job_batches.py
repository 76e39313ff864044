"""Batches in the job records: what is promised, whose turn it is, and what is forgotten when."""

from pathlib import Path

import pytest
import redis
from uuid_utils.compat import uuid7

from rag.blobs.store import ObstoreBlobs
from rag.errors import IdempotencyMismatch, NoRoom, Overloaded, Recovering
from rag.jobs import DurableBatchStore, DurableJobStore
from rag.journal.journal import Journal
from rag.model import Batch, BatchOptions, JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tests.contract.jobs.jobrecords import accepted, begun, due, ids, keys, new_job, pruned, record_of, take

ANSWER = {"jobs": [["a", "b"]], "refused": []}


class Store:
    """Both stores over the same records and the same journal."""

    def __init__(self, client: redis.Redis, folder: Path) -> None:
        self.blobs = ObstoreBlobs(folder.as_uri())
        settings, journal = Settings(), Journal(self.blobs)
        self.jobs = DurableJobStore(client, settings, journal)
        self.batches = DurableBatchStore(client, settings, journal)
        self.journal = journal

    def recorded(self, count: int, owner: str = "", most_open: int | None = None) -> tuple[Batch, list[str]]:
        """A batch of so many jobs that are not promised yet."""
        batch = self.batches.begin(idempotency_key=None, body_digest="")
        jobs = [document_job(f"d{n}", owner, batch.id) for n in range(count)]
        answers = self.batches.accept(jobs, None, BatchOptions(batch.id, owner, most_open=most_open))
        return batch, [answer[0] for answer in answers if not isinstance(answer, Overloaded)]

    def promised(self, count: int, owner: str = "") -> tuple[Batch, list[str]]:
        batch, job_ids = self.recorded(count, owner)
        return self.batches.complete(batch.id, job_ids, ANSWER, None), job_ids


def document_job(document_id: str, owner: str, batch: str) -> NewJob:
    inputs = {"document_id": document_id, "generation": 1, "version": 1}
    return NewJob(str(uuid7()), JobKind.INGEST, Stage.PARSE, "docs", inputs, owner=owner, batch=batch)


@pytest.fixture
def store(redis_client: redis.Redis, tmp_path: Path) -> Store:
    return Store(redis_client, tmp_path)


class TestPromises:
    def test_no_job_begins_before_the_batch_is_complete(self, store: Store) -> None:
        batch, job_ids = store.recorded(3)
        assert due(store.jobs) == []

        store.batches.complete(batch.id, job_ids, ANSWER, None)

        assert due(store.jobs) == [(Stage.PARSE, job_ids[0])]
        assert [record_of(store.jobs, job_id).batch for job_id in job_ids] == [batch.id] * 3

    def test_a_batch_is_one_entry_of_the_journal(self, store: Store) -> None:
        batch, _ = store.promised(250)

        assert list(store.blobs.keys("journal")) == [f"journal/batches/{batch.id}"] or set(
            store.blobs.keys("journal")
        ) == {f"journal/batches/{batch.id}", "journal/format"}

    def test_nothing_stays_of_one_whose_entry_cannot_be_written(
        self, store: Store, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = keys(redis_client)

        def full(*_: object) -> None:
            raise NoRoom("the disk is full")

        monkeypatch.setattr(Journal, "open_batch", full)
        batch = store.batches.begin(idempotency_key="k", body_digest="d")
        jobs = [document_job("a", "me", batch.id)]
        store.batches.accept(jobs, ["k a"], BatchOptions(batch.id, "me"))

        with pytest.raises(NoRoom):
            store.batches.complete(batch.id, [jobs[0].id], ANSWER, ("k", "d"))

        assert keys(redis_client) == before

    def test_lost_records_are_told(self, store: Store, redis_client: redis.Redis) -> None:
        batch, job_ids = store.recorded(2)
        redis_client.delete(f"{{aegis}}:job:{job_ids[0]}")

        with pytest.raises(Recovering):
            store.batches.complete(batch.id, job_ids, ANSWER, None)

    def test_what_has_no_room_is_refused_and_the_rest_is_not(self, store: Store) -> None:
        _, job_ids = store.recorded(5, most_open=3)

        assert len(job_ids) == 3

    def test_a_key_means_one_batch_with_one_body(self, store: Store) -> None:
        batch = store.batches.begin(idempotency_key="k", body_digest="d")
        assert store.batches.begin(idempotency_key="k", body_digest="d") == batch
        with pytest.raises(IdempotencyMismatch):
            store.batches.begin(idempotency_key="k", body_digest="other")

    def test_a_part_that_comes_again_keeps_its_job(self, store: Store) -> None:
        batch, options = store.batches.begin(idempotency_key="k", body_digest="d"), BatchOptions("b")
        first, again = document_job("a", "", batch.id), document_job("a", "", batch.id)
        other = document_job("b", "", batch.id)
        store.batches.accept([first], ["k a"], options)

        assert store.batches.accept([again, other], ["k a", "k b"], options) == [
            (first.id, "a"),
            (other.id, "b"),
        ]


class TestTurns:
    def test_a_job_does_not_wait_for_a_batch_of_its_owner(self, store: Store) -> None:
        _, batched = store.promised(2000, "me")
        assert ids(take(store.jobs)) == [batched[0]]

        single = accepted(store.jobs, new_job(owner="me"))

        assert record_of(store.jobs, single).queue_position == 2
        assert single in ids(take(store.jobs)) + ids(take(store.jobs))

    def test_jobs_and_batches_of_an_owner_take_turns(self, store: Store) -> None:
        _, batched = store.promised(6, "me")
        singles = [accepted(store.jobs, new_job(owner="me")) for _ in range(6)]

        order = ids(take(store.jobs, most=12))

        assert sum(job_id in singles for job_id in order[:6]) == 3
        assert [job_id for job_id in order if job_id in batched] == batched
        assert [job_id for job_id in order if job_id in singles] == singles

    def test_an_owner_with_a_batch_has_no_more_turns_than_others(self, store: Store) -> None:
        store.promised(20, "busy")
        for owner in ("busy", "quiet"):
            for _ in range(10):
                accepted(store.jobs, new_job(owner=owner))

        owners = [lease.job.owner for lease in take(store.jobs, most=8).leases]

        assert sorted(owners) == ["busy"] * 4 + ["quiet"] * 4

    def test_a_line_that_an_earlier_version_overlooked_is_found(
        self, store: Store, redis_client: redis.Redis
    ) -> None:
        _, batched = store.promised(1, "me")
        redis_client.zrem("{aegis}:turns:parse", "me")
        redis_client.zadd("{aegis}:absent:parse", {"me": 0})

        assert due(store.jobs) == [(Stage.PARSE, batched[0])]
        assert ids(take(store.jobs)) == batched


class TestStanding:
    def test_it_counts_each_state(self, store: Store) -> None:
        batch, job_ids = store.promised(4)
        assert store.jobs.finish(begun(store.jobs, job_ids[0]), JobState.SUCCEEDED)
        assert store.jobs.finish(begun(store.jobs, job_ids[1]), JobState.FAILED)
        begun(store.jobs, job_ids[2])

        standing = store.batches.standing(batch.id)

        assert standing.states == {
            JobState.SUCCEEDED: 1, JobState.FAILED: 1, JobState.RUNNING: 1, JobState.QUEUED: 1,
        }  # fmt: skip
        assert (standing.failed, standing.forgotten, standing.state) == ((job_ids[1],), 0, JobState.RUNNING)

    def test_a_large_one_is_counted_whole(self, store: Store) -> None:
        batch, _ = store.promised(1203)

        assert store.batches.standing(batch.id).states == {JobState.QUEUED: 1203}

    def test_a_cancel_ends_what_is_open_and_outlives_a_loss(self, store: Store) -> None:
        batch, job_ids = store.promised(3)
        assert store.jobs.finish(begun(store.jobs, job_ids[0]), JobState.SUCCEEDED)

        assert store.batches.cancel(batch.id) == 2
        assert store.batches.cancel(batch.id) == 0

        assert store.batches.standing(batch.id).states == {JobState.SUCCEEDED: 1, JobState.CANCELLED: 2}
        assert store.journal.lacking_ends(job_ids) == []


class TestRetention:
    @pytest.fixture
    def ended(self, store: Store) -> tuple[Batch, list[str]]:
        batch, job_ids = store.promised(3)
        for job_id in job_ids:
            assert store.jobs.finish(begun(store.jobs, job_id), JobState.SUCCEEDED)
        return batch, job_ids

    def test_a_batch_goes_with_the_last_of_its_jobs(
        self, store: Store, ended: tuple[Batch, list[str]], redis_client: redis.Redis
    ) -> None:
        batch, job_ids = ended
        assert pruned(store.jobs, finished=-60, limit=2) == job_ids[:2]
        assert store.batches.standing(batch.id).forgotten == 2
        (entry,) = store.journal.batches()
        assert [job["id"] for job in entry.jobs] == job_ids[2:]

        pruned(store.jobs, finished=-60)

        assert store.batches.get(batch.id) is None
        assert list(store.journal.batches()) == []
        assert not [key for key in redis_client.scan_iter("*") if b"bulk" in key]

    def test_its_record_lives_as_long_as_that_of_a_job(
        self, ended: tuple[Batch, list[str]], redis_client: redis.Redis
    ) -> None:
        batch, job_ids = ended
        of_job = redis_client.pttl(f"{{aegis}}:job:{job_ids[-1]}")
        for name in (f"{{aegis}}:bulk:{batch.id}", f"{{aegis}}:bulk:{batch.id}:jobs"):
            assert redis_client.pttl(name) > of_job - 10_000 > 0

    def test_a_job_that_is_run_again_keeps_its_batch(self, store: Store, redis_client: redis.Redis) -> None:
        batch, job_ids = store.promised(1)
        assert store.jobs.finish(begun(store.jobs, job_ids[0]), JobState.FAILED)

        store.jobs.retry(job_ids[0])

        assert redis_client.pttl(f"{{aegis}}:bulk:{batch.id}") == -1
        assert store.batches.standing(batch.id).state is JobState.QUEUED
