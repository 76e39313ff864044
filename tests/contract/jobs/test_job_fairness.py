"""Whose turn it is in every JobStore: no owner waits for another's backlog, and nobody waits for ever."""

import time

import pytest
import redis

from rag.model import JobState, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, ids, new_job, record_of, take


def owned(jobs: JobStore, owner: str) -> str:
    return accepted(jobs, new_job(owner=owner))


def next_owners(jobs: JobStore, count: int) -> list[str]:
    return [lease.job.owner for _ in range(count) for lease in take(jobs).leases]


def test_one_job_does_not_wait_for_a_thousand_of_somebody_else(jobs: JobStore) -> None:
    busy = [owned(jobs, "busy") for _ in range(1000)]
    assert ids(take(jobs)) == [busy[0]]

    quiet = owned(jobs, "quiet")

    taken = take(jobs)
    assert ids(taken) == [quiet]
    assert taken.left == busy[1]


def test_owners_take_turns(jobs: JobStore) -> None:
    for owner in "aaabbbccc":
        owned(jobs, owner)

    owners = next_owners(jobs, 9)

    assert [sorted(owners[at : at + 3]) for at in (0, 3, 6)] == [["a", "b", "c"]] * 3


def test_of_one_owner_the_oldest_goes_first(jobs: JobStore) -> None:
    mine = [owned(jobs, "a") for _ in range(4)]

    assert [job_id for _ in mine for job_id in ids(take(jobs))] == mine


def test_company_is_chosen_by_turns_too(jobs: JobStore) -> None:
    for _ in range(30):
        owned(jobs, "busy")
    for _ in range(3):
        owned(jobs, "quiet")

    owners = [lease.job.owner for lease in take(jobs, most=6).leases]

    assert sorted(owners) == ["busy"] * 3 + ["quiet"] * 3


def test_who_was_away_has_saved_nothing_up(jobs: JobStore) -> None:
    for _ in range(50):
        owned(jobs, "busy")
    next_owners(jobs, 40)

    for _ in range(5):
        owned(jobs, "late")

    assert sorted(next_owners(jobs, 8)) == ["busy"] * 4 + ["late"] * 4


def test_who_comes_back_at_once_does_not_go_first_each_time(jobs: JobStore) -> None:
    for _ in range(10):
        owned(jobs, "patient")
    owners = []
    for _ in range(10):
        owned(jobs, "eager")
        owners += next_owners(jobs, 1)

    assert owners.count("patient") == 5


def test_who_has_had_much_and_left_has_had_it_still(jobs: JobStore) -> None:
    for owner, size in (("large", 64), ("small", 1), ("small", 1)):
        assert jobs.advance(begun(jobs, owned(jobs, owner)), Stage.EMBED, seconds=0, size=size)
    for _ in range(2):
        assert take(jobs, Stage.EMBED).leases
    assert jobs.advance(begun(jobs, owned(jobs, "large")), Stage.EMBED, seconds=0, size=64)

    assert take(jobs, Stage.EMBED).leases[0].job.owner == "small"


def test_large_jobs_count_for_more(jobs: JobStore) -> None:
    for owner, size in (("large", 10), ("small", 1)):
        for _ in range(20):
            assert jobs.advance(begun(jobs, owned(jobs, owner)), Stage.EMBED, seconds=0, size=size)

    taken = [take(jobs, Stage.EMBED).leases[0].job.owner for _ in range(22)]

    assert taken.count("small") == 20


def test_a_job_of_any_size_costs_its_owner_no_more_than_a_full_turn(jobs: JobStore) -> None:
    first, second = owned(jobs, "a"), owned(jobs, "a")
    for job_id, size in ((first, 1_000_000), (second, 1)):
        assert jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=0, size=size)
    for _ in range(100):
        assert jobs.advance(begun(jobs, owned(jobs, "b")), Stage.EMBED, seconds=0, size=1)

    order = [take(jobs, Stage.EMBED).leases[0].job.id for _ in range(70)]

    assert {first, second} < set(order)


def test_retries_of_one_owner_do_not_keep_another_waiting(jobs: JobStore) -> None:
    failed = [owned(jobs, "busy") for _ in range(20)]
    for job_id in failed:
        assert jobs.requeue(begun(jobs, job_id), error=PROBLEM)
    quiet = owned(jobs, "quiet")

    assert ids(take(jobs)) == [quiet]


def test_a_pause_takes_no_turn_until_it_is_over(jobs: JobStore, redis_client: redis.Redis) -> None:
    resting = owned(jobs, "a")
    assert jobs.requeue(begun(jobs, resting), error=PROBLEM, delay=60)
    assert ids(take(jobs)) == []

    redis_client.zadd("{aegis}:resting:parse", {resting: time.time() - 1})

    assert ids(take(jobs)) == [resting]


def test_a_pause_from_before_the_clock_jumped_back_is_over(jobs: JobStore, redis_client: redis.Redis) -> None:
    resting = owned(jobs, "a")
    assert jobs.requeue(begun(jobs, resting), error=PROBLEM, delay=60)
    redis_client.zadd("{aegis}:resting:parse", {resting: time.time() + 3600})

    assert ids(take(jobs)) == [resting]


def test_a_cancelled_job_takes_nobodys_turn(jobs: JobStore) -> None:
    cancelled, kept = owned(jobs, "a"), owned(jobs, "b")

    jobs.cancel(cancelled)

    assert ids(take(jobs)) == [kept]
    assert ids(take(jobs)) == []


def test_the_place_in_the_queue_goes_by_turns(jobs: JobStore) -> None:
    busy = [owned(jobs, "busy") for _ in range(100)]
    quiet = [owned(jobs, "quiet") for _ in range(2)]

    assert [record_of(jobs, job_id).queue_position for job_id in quiet] == [2, 4]
    assert record_of(jobs, busy[-1]).queue_position == 100


@pytest.mark.parametrize("owner", ["", "a:b", "{x}", "ü\n"])
def test_an_owner_may_have_any_name(jobs: JobStore, owner: str) -> None:
    job_id = owned(jobs, owner)

    (lease,) = take(jobs).leases

    assert (lease.job.id, lease.job.owner) == (job_id, owner)
    assert jobs.finish(lease, JobState.SUCCEEDED)


def test_owners_whose_jobs_were_all_cancelled_do_not_hide_the_job_of_another(jobs: JobStore) -> None:
    for n in range(100):
        jobs.cancel(accepted(jobs, new_job(owner=f"a{n:02}")))
    waiting = accepted(jobs, new_job(owner="z"))

    (due,) = jobs.due([Stage.PARSE], lease_seconds=30)

    assert due.job_id == waiting
