"""How many jobs each owner may have open in every JobStore: nobody fills the queue for all."""

import pytest
import redis

from rag.errors import Overloaded
from rag.jobs import RedisJobStore
from rag.model import JobKind, JobState
from rag.ports import JobStore
from rag.settings import Settings
from tests.contract.jobs.jobrecords import PROBLEM, at_once, begun, keys, new_job

MOST = 10


def hand_in(jobs: JobStore, owner: str, most: int = MOST) -> str:
    return jobs.accept(new_job(owner=owner), most_open=most).job.id


def filled(jobs: JobStore, owner: str, most: int = MOST) -> list[str]:
    """Jobs handed in until one is refused."""
    made: list[str] = []
    while True:
        try:
            jobs.admit(JobKind.INGEST, most_open=most, owner=owner)
        except Overloaded:
            with pytest.raises(Overloaded):
                hand_in(jobs, owner, most)
            return made
        made.append(hand_in(jobs, owner, most))


def test_one_key_leaves_as_much_room_as_it_takes(jobs: JobStore) -> None:
    assert [len(filled(jobs, owner)) for owner in "abc"] == [5, 3, 1]


def test_without_keys_all_of_it_may_be_taken(jobs: JobStore) -> None:
    assert len(filled(jobs, "")) == MOST


def test_where_one_job_may_be_open_it_is_taken(jobs: JobStore) -> None:
    assert len(filled(jobs, "a", most=1)) == 1


def test_many_at_once_take_no_more(jobs: JobStore) -> None:
    def try_it() -> bool:
        try:
            hand_in(jobs, "a")
        except Overloaded:
            return False
        return True

    assert sum(at_once(*[try_it] * 20)) == 5


def test_who_is_refused_is_told_when_to_come_again(jobs: JobStore) -> None:
    for job_id in filled(jobs, "a")[:2]:
        assert jobs.finish(begun(jobs, job_id), JobState.SUCCEEDED)
        hand_in(jobs, "a")

    with pytest.raises(Overloaded, match="5 ingest jobs of this key") as refusal:
        hand_in(jobs, "a")

    assert refusal.value.retry_after is not None
    assert 1 <= refusal.value.retry_after <= 300


@pytest.mark.parametrize("end", ["succeeded", "failed", "dead", "cancelled", "expired"])
def test_what_is_over_makes_room(jobs: JobStore, end: str) -> None:
    first = filled(jobs, "a", most=1)
    if end == "cancelled":
        jobs.cancel(first[0])
    elif end == "expired":
        jobs.cancel(first[0])
        late = jobs.accept(new_job(owner="a", deadline=1.0)).job.id
        assert jobs.expire(late, error=PROBLEM)
    else:
        assert jobs.finish(begun(jobs, first[0]), JobState(end))

    assert len(filled(jobs, "a", most=1)) == 1


def test_what_is_run_again_counts_again(jobs: JobStore) -> None:
    (job_id,) = filled(jobs, "a", most=1)
    assert jobs.finish(begun(jobs, job_id), JobState.FAILED)

    jobs.retry(job_id)

    assert filled(jobs, "a", most=2) == []


def test_what_is_run_again_needs_room(jobs: JobStore) -> None:
    bounds = {JobKind.INGEST: 4, JobKind.QUERY: 1}
    first, *_ = over = filled(jobs, "a", most=4)
    for job_id in over:
        assert jobs.finish(begun(jobs, job_id), JobState.DEAD)
    filled(jobs, "a", most=4)

    with pytest.raises(Overloaded, match="2 ingest jobs of this key") as refusal:
        jobs.retry(first, most_open=bounds)

    assert refusal.value.retry_after is not None
    job = jobs.get(first)
    assert job is not None
    assert job.state is JobState.DEAD
    filled(jobs, "", most=4)
    with pytest.raises(Overloaded, match="4 ingest jobs are"):
        jobs.retry(first, most_open=bounds)
    assert jobs.retry(first, most_open={JobKind.QUERY: 1}).state is JobState.QUEUED


def test_a_submit_that_repeats_another_is_answered_all_the_same(jobs: JobStore) -> None:
    first = jobs.accept(new_job(owner="a"), idempotency_key="k", body_digest="d", most_open=1)

    jobs.admit(JobKind.INGEST, most_open=1, owner="a", idempotency_key="k")
    again = jobs.accept(new_job(owner="a"), idempotency_key="k", body_digest="d", most_open=1)

    assert (again.job.id, again.new) == (first.job.id, False)


def test_nothing_of_it_stays_behind(jobs: JobStore, redis_client: redis.Redis) -> None:
    before = keys(redis_client)
    job_id = hand_in(jobs, "a")
    jobs.cancel(job_id)
    jobs.prune(finished_before=4e9, dead_before=4e9, most=0, limit=9)

    assert keys(redis_client) == before


@pytest.fixture
def strict(redis_client: redis.Redis) -> JobStore:
    return RedisJobStore(redis_client, Settings(max_open_jobs_per_key=3))


def test_a_key_may_be_given_a_number(strict: JobStore) -> None:
    assert [len(filled(strict, owner, 100)) for owner in "ab"] == [3, 3]
    assert len(filled(strict, "", 20)) == 14


def test_what_has_no_bound_for_all_has_none_for_a_key(strict: JobStore) -> None:
    for _ in range(30):
        assert strict.accept(new_job(JobKind.DELETE, owner="a")).new
