"""What every JobStore must do for a worker that takes several jobs at once."""

import time

import pytest
import redis

from rag.model import EventKind, Job, JobState, Lease, Stage
from rag.ports import Bounds, JobStore, Taken
from rag.settings import Settings
from rag.stores.blobs import ObstoreBlobs
from rag.stores.jobs import KeptJobStore, RedisJobStore
from rag.stores.journal import Journal
from tests.contract.jobs.jobrecords import PROBLEM, accepted, at_once, begun, new_job, record_of


def take(
    jobs: JobStore,
    job_id: str | None = None,
    *,
    most: int = 16,
    stage: Stage = Stage.PARSE,
    worker: str = "w",
    sent: int | None = None,
) -> Taken:
    bounds = Bounds(jobs=most, size=64)
    return jobs.take(job_id, stage, lease_seconds=30, worker=worker, bounds=bounds, sent=sent)


def ids(taken: Taken) -> list[str]:
    return [lease.job.id for lease in taken.leases]


def at_embedding(jobs: JobStore, size: int) -> str:
    job_id = accepted(jobs)
    assert jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=0.1, size=size)
    return job_id


def test_a_hint_sent_before_the_job_failed_cuts_no_rest_short(jobs: JobStore) -> None:
    resting, other = accepted(jobs), accepted(jobs)
    (lease, *_) = take(jobs, resting, most=1).leases
    assert jobs.requeue(lease, error=PROBLEM, delay=60)

    assert ids(take(jobs, resting, sent=0)) == [other]
    assert ids(take(jobs, resting, sent=1)) == [resting], "its own message is delivered when it is due"


def test_a_message_from_before_a_rest_that_is_over_will_do(jobs: JobStore) -> None:
    job_id = accepted(jobs)
    (lease,) = take(jobs, job_id).leases
    assert jobs.requeue(lease, error=PROBLEM, delay=0)

    assert ids(take(jobs, job_id, sent=0)) == [job_id]


def test_others_that_wait_come_along_oldest_first(jobs: JobStore) -> None:
    first, named, last = (accepted(jobs) for _ in range(3))
    accepted(jobs, new_job(stage=Stage.EMBED_QUERY))

    taken = take(jobs, named)

    assert ids(taken) == [named, first, last]
    assert taken.left is None
    for lease in taken.leases:
        assert (lease.job.state, lease.job.attempts) == (JobState.RUNNING, 1)
        assert jobs.events(lease.job.id)[-1].data["state"] == "running"
        assert jobs.advance(lease, Stage.EMBED, seconds=0.1)


def test_no_more_come_than_are_asked_for_and_the_first_left_is_told(jobs: JobStore) -> None:
    waiting = [accepted(jobs) for _ in range(5)]

    taken = take(jobs, waiting[0], most=3)

    assert ids(taken) == waiting[:3]
    assert isinstance(taken.left, Job)
    assert (taken.left.id, taken.left.state) == (waiting[3], JobState.QUEUED)


def test_they_are_together_no_larger_than_asked_for(jobs: JobStore) -> None:
    small, large, tiny = (at_embedding(jobs, size) for size in (30, 40, 10))

    taken = take(jobs, small, stage=Stage.EMBED)

    assert ids(taken) == [small, tiny]
    assert taken.left is not None
    assert taken.left.id == large


def test_one_that_is_too_large_by_itself_is_taken_alone(jobs: JobStore) -> None:
    huge, _ = (at_embedding(jobs, size) for size in (1000, 1))

    assert ids(take(jobs, None, stage=Stage.EMBED)) == [huge]


def test_a_message_whose_job_is_not_due_is_good_for_those_that_wait(jobs: JobStore) -> None:
    done, waiting = accepted(jobs), accepted(jobs)
    assert jobs.finish(begun(jobs, done), JobState.SUCCEEDED)

    assert ids(take(jobs, done)) == [waiting]
    assert take(jobs, done, worker="another") == Taken(leases=())


def test_one_that_failed_before_is_begun_alone_and_by_nobody_beside_another(jobs: JobStore) -> None:
    failed, fresh = accepted(jobs), accepted(jobs)
    assert jobs.requeue(begun(jobs, failed), error=PROBLEM)
    assert jobs.depth(Stage.PARSE, apart=True) == 1

    assert ids(take(jobs, fresh)) == [fresh]
    accepted(jobs)
    assert ids(take(jobs, failed, worker="another")) == [failed]
    assert jobs.depth(Stage.PARSE, apart=True) == 0


def test_one_that_was_released_apart_is_begun_alone(jobs: JobStore) -> None:
    apart, fresh = accepted(jobs), accepted(jobs)
    assert jobs.release(begun(jobs, apart), apart=True)

    assert ids(take(jobs, fresh)) == [fresh]
    accepted(jobs)
    (lease,) = take(jobs, apart, worker="another").leases
    assert lease.job.attempts == 1

    assert jobs.advance(lease, Stage.EMBED, seconds=0.1)
    other = at_embedding(jobs, 1)
    assert set(ids(take(jobs, apart, stage=Stage.EMBED))) == {apart, other}, (
        "at the next stage it is as any other"
    )


def test_one_that_was_merely_released_comes_along_again(jobs: JobStore) -> None:
    released, fresh = accepted(jobs), accepted(jobs)
    assert jobs.release(begun(jobs, released))

    assert set(ids(take(jobs, fresh))) == {released, fresh}


def test_what_a_dead_child_of_the_same_worker_had_taken_is_given_back_at_once(jobs: JobStore) -> None:
    named, beside = accepted(jobs), accepted(jobs)
    old: dict[str, Lease] = {lease.job.id: lease for lease in take(jobs, named).leases}
    fresh = accepted(jobs)

    taken = take(jobs, named)

    assert ids(taken) == [named], "one that was begun before is begun alone"
    assert taken.leases[0].job.attempts == 2
    assert [(job.id, job.state, job.attempts) for job in taken.given_back] == [(beside, JobState.QUEUED, 1)]
    assert not jobs.finish(old[beside], JobState.SUCCEEDED)
    assert ids(take(jobs, fresh, worker="another")) == [fresh]
    assert ids(take(jobs, beside, worker="another")) == [beside]


def test_what_another_worker_has_taken_is_left_alone(jobs: JobStore) -> None:
    named = accepted(jobs)
    accepted(jobs)
    taken = take(jobs, named)

    assert take(jobs, named, worker="another") == Taken(leases=())
    assert all(jobs.extend(lease, lease_seconds=30) for lease in taken.leases)


def test_what_a_worker_has_ended_is_not_given_back(jobs: JobStore) -> None:
    named = accepted(jobs)
    accepted(jobs)
    for lease in take(jobs, named).leases:
        assert jobs.advance(lease, Stage.EMBED, seconds=0.1)

    assert take(jobs, None) == Taken(leases=())


def test_workers_that_take_at_once_share_the_jobs(jobs: JobStore) -> None:
    waiting = {accepted(jobs) for _ in range(40)}

    taken = at_once(*[lambda worker=worker: take(jobs, None, most=10, worker=worker) for worker in "abcd"])

    every = [job_id for each in taken for job_id in ids(each)]
    assert len(every) == 40
    assert set(every) == waiting


def test_an_answer_that_was_lost_on_the_way_is_given_again(
    jobs: RedisJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, beside = accepted(jobs), accepted(jobs)
    monkeypatch.setattr("rag.stores.jobs.work.only_word", lambda: "the same")

    first, again = take(jobs, named), take(jobs, named)

    assert ids(first) == ids(again) == [named, beside]
    assert [lease.token for lease in first.leases] == [lease.token for lease in again.leases]
    assert record_of(jobs, beside).attempts == 1


def test_a_record_without_its_entry_is_in_nobodys_company(redis_client: redis.Redis) -> None:
    """Whoever accepts it may still fail to promise it, and undoes it then."""
    settings = Settings(journal="all")
    kept = KeptJobStore(redis_client, settings, Journal(ObstoreBlobs("memory:///")))
    unkept = RedisJobStore(redis_client, settings).accept(new_job()).job.id
    promised = accepted(kept)

    taken = take(kept, promised)

    assert ids(taken) == [promised]
    assert taken.left is None
    assert ids(take(kept, unkept, worker="another")) == [unkept], "its own message is a promise"


def test_a_record_whose_maker_died_before_its_entry_comes_along_later(redis_client: redis.Redis) -> None:
    settings = Settings(journal="all")
    kept = KeptJobStore(redis_client, settings, Journal(ObstoreBlobs("memory:///")))
    unkept = RedisJobStore(redis_client, settings).accept(new_job()).job.id
    redis_client.hset("{aegis}:job:" + unkept, "queued_at", f"{time.time() - 31:.6f}")

    assert ids(take(kept)) == [unkept]


def test_the_sweeper_can_ask_for_those_alone_that_need_a_message_of_their_own(jobs: JobStore) -> None:
    failed = accepted(jobs)
    accepted(jobs)
    assert jobs.requeue(begun(jobs, failed), error=PROBLEM)

    found = jobs.overdue([Stage.PARSE], silent_for=-60, limit=9, apart=[Stage.PARSE])

    assert [job.id for job in found] == [failed]
    assert len(jobs.overdue([Stage.PARSE], silent_for=-60, limit=9, apart=[Stage.EMBED])) == 2


def test_a_cancelled_job_is_no_longer_one_of_those(jobs: JobStore) -> None:
    failed = accepted(jobs)
    assert jobs.requeue(begun(jobs, failed), error=PROBLEM)

    jobs.cancel(failed)

    assert jobs.depth(Stage.PARSE, apart=True) == 0
    assert jobs.events(failed)[-1].kind is EventKind.STATE
