"""What every JobStore counts of the jobs' work, in the same step as the records."""

import time

import pytest
import redis

from rag.model import Job, JobKind, JobState, RecentWork, Stage, StageStatistics
from rag.model.statistics import JOB_LIMITS, STAGE_LIMITS
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, due, ended, new_job, record_of, take

HOUR = 3600.0


def at(jobs: JobStore, stage: Stage = Stage.PARSE) -> StageStatistics:
    return jobs.statistics().stages[stage]


def bucket_of(seconds: float, limits: tuple[float, ...]) -> int:
    return next((i for i, limit in enumerate(limits) if seconds <= limit), len(limits))


def backdate(client: redis.Redis, job: Job, **fields: float) -> None:
    client.hset(f"{{aegis}}:job:{job.id}", mapping={name: time.time() - ago for name, ago in fields.items()})


def test_nothing_is_counted_before_any_job(jobs: JobStore) -> None:
    found = jobs.statistics()

    assert found.stages.keys() == set(Stage)
    assert {
        (each.attempts, each.runs.count, each.recoveries, len(each.retries)) for each in found.stages.values()
    } == {(0, 0, 0, 0)}
    assert set(found.ended.values()) == {0}
    assert {each.count for each in found.seconds.values()} == {0}


@pytest.mark.parametrize("waited", [15.0, 100.0, 5 * HOUR])
def test_a_wait_is_counted_by_its_length_when_the_job_is_taken(
    jobs: JobStore, redis_client: redis.Redis, waited: float
) -> None:
    job = record_of(jobs, accepted(jobs))
    backdate(redis_client, job, queued_at=waited)

    begun(jobs, job.id)

    waits = at(jobs).waits
    assert (at(jobs).attempts, waits.count) == (1, 1)
    assert waits.counts[bucket_of(waited + 0.001, STAGE_LIMITS)] == 1
    assert waited <= waits.total < waited + 5


def test_each_job_of_a_batch_counts(jobs: JobStore) -> None:
    for _ in range(5):
        accepted(jobs)

    take(jobs, most=5)

    assert at(jobs).attempts == 5


def test_the_pause_before_a_retry_is_no_wait(jobs: JobStore, redis_client: redis.Redis) -> None:
    job = record_of(jobs, accepted(jobs))
    assert jobs.requeue(begun(jobs, job.id), error=PROBLEM, delay=60)
    before = at(jobs).waits.total
    backdate(redis_client, job, queued_at=62.0, ready_at=2.0)
    redis_client.zadd("{aegis}:resting:parse", {job.id: time.time() - 2})

    assert due(jobs) == [(Stage.PARSE, job.id)]
    begun(jobs, job.id)

    assert 2 <= at(jobs).waits.total - before < 10


@pytest.mark.parametrize("ran", [3.0, 7.0, 20.0])
@pytest.mark.parametrize("end", ["advance", "requeue", "finish"])
def test_a_run_is_counted_by_its_length_when_the_attempt_ends(
    jobs: JobStore, redis_client: redis.Redis, end: str, ran: float
) -> None:
    lease = begun(jobs, accepted(jobs))
    backdate(redis_client, lease.job, seen=ran)

    match end:
        case "advance":
            assert jobs.advance(lease, Stage.EMBED, seconds=1)
        case "requeue":
            assert jobs.requeue(lease, error=PROBLEM)
        case _:
            assert jobs.finish(lease, JobState.FAILED)

    runs = at(jobs).runs
    assert runs.count == runs.counts[bucket_of(ran + 0.001, STAGE_LIMITS)] == 1
    assert ran <= runs.total < ran + 5


def test_a_run_goes_on_over_renewals_of_its_lease(jobs: JobStore, redis_client: redis.Redis) -> None:
    lease = begun(jobs, accepted(jobs))
    for _ in range(2):
        backdate(redis_client, lease.job, seen=20.0)
        assert jobs.extend(lease, lease_seconds=30)

    assert jobs.finish(lease, JobState.SUCCEEDED)

    assert 40 <= at(jobs).runs.total < 45


def test_what_a_worker_gives_back_is_no_run_and_no_retry(jobs: JobStore) -> None:
    assert jobs.release(begun(jobs, accepted(jobs)))

    assert (at(jobs).runs.count, at(jobs).retries) == (0, {})


def test_a_retry_is_counted_by_the_code_of_its_error(jobs: JobStore) -> None:
    for code in ("unavailable", "timed-out", "unavailable"):
        error = {**PROBLEM, "type": f"urn:aegis:problem:{code}"}
        assert jobs.requeue(begun(jobs, accepted(jobs)), error=error, delay=60)

    assert at(jobs).retries == {"unavailable": 2, "timed-out": 1}


def test_an_attempt_that_is_lost_with_its_worker_is_a_recovery(
    jobs: JobStore, redis_client: redis.Redis
) -> None:
    job_id = accepted(jobs)
    begun(jobs, job_id, lease_seconds=0)

    assert due(jobs) == [(Stage.PARSE, job_id)]

    assert (at(jobs).recoveries, at(jobs).runs.count, at(jobs).retries) == (1, 0, {})


def test_an_attempt_whose_child_process_died_is_a_recovery(jobs: JobStore) -> None:
    accepted(jobs)
    take(jobs, worker="parse@here")

    take(jobs, worker="parse@here")

    assert (at(jobs).recoveries, at(jobs).attempts) == (1, 2)


@pytest.mark.parametrize("state", [JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD])
def test_an_end_is_counted_by_kind_and_state(jobs: JobStore, state: JobState) -> None:
    ended(jobs, state)

    found = {key: count for key, count in jobs.statistics().ended.items() if count}
    assert found == {(JobKind.INGEST, state): 1}


def test_a_cancelled_job_counts_as_such(jobs: JobStore) -> None:
    jobs.cancel(accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY)))

    assert jobs.statistics().ended[JobKind.QUERY, JobState.CANCELLED] == 1


def test_a_dead_letter_that_is_dropped_does_not_end_twice(jobs: JobStore) -> None:
    jobs.drop(ended(jobs, JobState.DEAD))

    ended_jobs = jobs.statistics().ended
    assert ended_jobs[JobKind.INGEST, JobState.DEAD] == 1
    assert ended_jobs[JobKind.INGEST, JobState.FAILED] == 0


@pytest.mark.parametrize(("state", "count"), [(JobState.SUCCEEDED, 1), (JobState.FAILED, 0)])
def test_the_time_from_submit_to_success_is_counted(
    jobs: JobStore, redis_client: redis.Redis, state: JobState, count: int
) -> None:
    lease = begun(jobs, accepted(jobs))
    backdate(redis_client, lease.job, created_at=100.0)

    assert jobs.finish(lease, state)

    seconds = jobs.statistics().seconds[JobKind.INGEST]
    assert seconds.count == seconds.counts[bucket_of(100.5, JOB_LIMITS)] == count


def test_a_report_that_is_repeated_or_refused_counts_once(jobs: JobStore) -> None:
    lease = begun(jobs, accepted(jobs))
    assert jobs.finish(lease, JobState.SUCCEEDED)

    jobs.finish(lease, JobState.SUCCEEDED)
    jobs.finish(lease, JobState.FAILED)

    assert at(jobs).runs.count == 1
    assert sum(jobs.statistics().ended.values()) == 1


class TestRecentWork:
    def test_without_work_there_is_no_rate(self, jobs: JobStore) -> None:
        work = jobs.recent_work()

        assert work.per_second([Stage.PARSE]) is None
        assert work.now - work.since >= 300

    def test_ends_of_attempts_count_now(self, jobs: JobStore) -> None:
        for _ in range(3):
            ended(jobs, JobState.SUCCEEDED)

        work = jobs.recent_work()

        assert sum(work.ends[Stage.PARSE].values()) == 3
        assert all(work.now - 6 <= start <= work.now for start in work.ends[Stage.PARSE])
        assert work.per_second([Stage.PARSE]) == pytest.approx(
            3 / max(1.0, work.now - max(work.ends[Stage.PARSE])), rel=1
        )

    def test_old_ends_are_forgotten(self, jobs: JobStore, redis_client: redis.Redis) -> None:
        ended(jobs, JobState.SUCCEEDED)

        (key,) = redis_client.scan_iter("{aegis}:worked:*")

        assert 300 < redis_client.ttl(key) <= 420


def work(ends: dict[float, int], now: float = 1000.0) -> RecentWork:
    return RecentWork(now=now, since=now - 300, ends={Stage.PARSE: ends})


@pytest.mark.parametrize(
    ("ends", "busy_since", "rate"),
    [
        ({950.0: 10, 975.0: 5}, None, 0.3),  # from the first end to now
        ({800.0: 50, 950.0: 10, 975.0: 5}, 950.0, 0.3),  # since there was always something to do
        ({950.0: 10}, 900.0, 0.1),  # a slow stage that was busy all the time
        ({950.0: 10}, 952.5, 5 / 47.5),  # half of a slot
        ({995.0: 1}, 999.9, 0.02 / 1.0),
        ({800.0: 10}, 950.0, None),
        ({700.0: 900, 990.0: 30}, 700.0, 2.0),  # of the last 15 seconds, since they had enough
    ],
)
def test_a_rate_is_of_the_time_in_which_there_was_work(
    ends: dict[float, int], busy_since: float | None, rate: float | None
) -> None:
    assert work(ends).per_second([Stage.PARSE], busy_since=busy_since) == (rate and pytest.approx(rate))
