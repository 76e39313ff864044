"""What every JobStore must do for a worker that takes several jobs at once."""

import time

import pytest
import redis

from rag.blobs.store import ObstoreBlobs
from rag.jobs import DurableJobStore, RedisJobStore
from rag.journal.journal import Journal
from rag.model import JobState, Lease, Stage, Taken
from rag.ports import JobStore
from rag.settings import Settings
from tests.contract.jobs.jobrecords import (
    PROBLEM,
    accepted,
    at_once,
    begun,
    due,
    ids,
    new_job,
    record_of,
    take,
)


def at_embedding(jobs: JobStore, size: int) -> str:
    job_id = accepted(jobs)
    assert jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=0.1, size=size)
    return job_id


def test_those_that_wait_are_begun_together_oldest_first(jobs: JobStore) -> None:
    waiting = [accepted(jobs) for _ in range(3)]
    accepted(jobs, new_job(stage=Stage.EMBED_QUERY))

    taken = take(jobs, most=16)

    assert ids(taken) == waiting
    assert taken.left is None
    for lease in taken.leases:
        assert (lease.job.state, lease.job.attempts) == (JobState.RUNNING, 1)
        assert jobs.events(lease.job.id)[-1].data["state"] == "running"
        assert jobs.advance(lease, Stage.EMBED, seconds=0.1)


def test_no_more_come_than_are_asked_for_and_the_first_left_is_told(jobs: JobStore) -> None:
    waiting = [accepted(jobs) for _ in range(5)]

    taken = take(jobs, most=3)

    assert ids(taken) == waiting[:3]
    assert taken.left == waiting[3]


def test_they_are_together_no_larger_than_asked_for(jobs: JobStore) -> None:
    small, large, tiny = (at_embedding(jobs, size) for size in (30, 40, 10))

    taken = take(jobs, Stage.EMBED, most=16)

    assert ids(taken) == [small, tiny]
    assert taken.left == large


def test_one_that_is_too_large_by_itself_is_taken_alone(jobs: JobStore) -> None:
    huge, _ = (at_embedding(jobs, size) for size in (1000, 1))

    assert ids(take(jobs, Stage.EMBED, most=16)) == [huge]


def test_one_that_failed_before_is_begun_alone_and_by_nobody_beside_another(jobs: JobStore) -> None:
    failed = accepted(jobs)
    assert jobs.requeue(begun(jobs, failed), error=PROBLEM)
    fresh = [accepted(jobs) for _ in range(2)]

    taken = take(jobs, most=16)

    assert ids(taken) == [failed]
    assert taken.left == fresh[0]
    assert ids(take(jobs, most=16)) == fresh
    assert jobs.requeue(begun(jobs, accepted(jobs)), error=PROBLEM)


def test_one_that_failed_before_stays_behind_where_others_are_older(jobs: JobStore) -> None:
    fresh = [accepted(jobs) for _ in range(2)]
    failed = accepted(jobs)
    assert jobs.requeue(begun(jobs, failed), error=PROBLEM)

    taken = take(jobs, most=16)

    assert ids(taken) == sorted(fresh, key=ids(taken).index)
    assert set(ids(taken)) == set(fresh)
    assert taken.left == failed


def test_one_that_was_released_as_solo_is_begun_alone_until_its_stage_is_done(jobs: JobStore) -> None:
    solo = accepted(jobs)
    assert jobs.release(begun(jobs, solo), solo=True)
    fresh = accepted(jobs)

    (lease,) = take(jobs, most=16).leases

    assert (lease.job.id, lease.job.attempts) == (solo, 1)
    assert ids(take(jobs, most=16)) == [fresh]
    assert jobs.advance(lease, Stage.EMBED, seconds=0.1)
    other = at_embedding(jobs, 1)
    assert ids(take(jobs, Stage.EMBED, most=16)) == [solo, other]


def test_one_that_was_merely_released_comes_along_again(jobs: JobStore) -> None:
    released = accepted(jobs)
    assert jobs.release(begun(jobs, released))
    fresh = accepted(jobs)

    assert ids(take(jobs, most=16)) == [released, fresh]


def test_what_a_dead_child_of_the_same_worker_had_taken_is_due_again_at_once(jobs: JobStore) -> None:
    both = [accepted(jobs) for _ in range(2)]
    old: dict[str, Lease] = {lease.job.id: lease for lease in take(jobs, most=16, worker="w").leases}

    taken = take(jobs, most=16, worker="w")

    assert ids(taken) == both[:1], "one that was begun before is begun alone"
    assert taken.leases[0].job.attempts == 2
    assert taken.left == both[1]
    assert record_of(jobs, both[1]).state is JobState.QUEUED
    assert not jobs.finish(old[both[1]], JobState.SUCCEEDED)
    assert ids(take(jobs, most=16)) == both[1:]


def test_what_another_worker_has_taken_is_left_alone(jobs: JobStore) -> None:
    for _ in range(2):
        accepted(jobs)
    taken = take(jobs, most=16)

    assert take(jobs, most=16) == Taken(leases=())
    assert all(jobs.extend(lease, lease_seconds=30) for lease in taken.leases)


def test_what_a_worker_has_ended_is_not_given_back(jobs: JobStore) -> None:
    for _ in range(2):
        accepted(jobs)
    for lease in take(jobs, most=16, worker="w").leases:
        assert jobs.advance(lease, Stage.EMBED, seconds=0.1)

    assert take(jobs, most=16, worker="w") == Taken(leases=())


def test_workers_that_take_at_once_share_the_jobs(jobs: JobStore) -> None:
    waiting = {accepted(jobs) for _ in range(40)}

    taken = at_once(*[lambda worker=worker: take(jobs, most=10, worker=worker) for worker in "abcd"])

    every = [job_id for each in taken for job_id in ids(each)]
    assert len(every) == 40
    assert set(every) == waiting


def test_an_answer_that_was_lost_on_the_way_is_given_again(
    jobs: RedisJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [accepted(jobs) for _ in range(2)]
    monkeypatch.setattr("rag.jobs.leases.call_token", lambda: "the same")

    first, again = (take(jobs, most=16, worker="w") for _ in range(2))

    assert ids(first) == ids(again) == both
    assert [lease.token for lease in first.leases] == [lease.token for lease in again.leases]
    assert record_of(jobs, both[1]).attempts == 1


def test_a_record_without_its_entry_is_not_due(redis_client: redis.Redis) -> None:
    """The process that accepts it may still fail to promise it, and undoes it then."""
    settings = Settings(journal="all")
    kept = DurableJobStore(redis_client, settings, Journal(ObstoreBlobs("memory:///")))
    RedisJobStore(redis_client, settings).accept(new_job())
    assert due(kept) == []

    promised = accepted(kept)

    assert due(kept) == [(Stage.PARSE, promised)]
    taken = take(kept, most=16)
    assert ids(taken) == [promised]
    assert taken.left is None


def test_a_record_whose_maker_died_before_its_entry_is_due_later(redis_client: redis.Redis) -> None:
    settings = Settings(journal="all")
    kept = DurableJobStore(redis_client, settings, Journal(ObstoreBlobs("memory:///")))
    unkept = RedisJobStore(redis_client, settings).accept(new_job()).job.id
    redis_client.hset("{aegis}:job:" + unkept, "queued_at", f"{time.time() - 31:.6f}")
    redis_client.zadd("{aegis}:line:parse:", {unkept: time.time() - 31})

    assert due(kept) == [(Stage.PARSE, unkept)]
    assert ids(take(kept)) == [unkept]
