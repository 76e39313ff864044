"""What every JobStore must take, find again, and refuse."""

import time

import pytest

from rag.errors import IdempotencyMismatch, Overloaded
from rag.model import JobKind, JobState, Progress, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import accepted, at_once, begun, ended, kinds, new_job, states


class TestAccept:
    def test_the_record_is_what_was_handed_in(self, jobs: JobStore) -> None:
        job = new_job(deadline=2_000_000_000.25)
        before = time.time()

        stored = jobs.accept(job)

        assert stored.new
        assert stored.job == jobs.get(job.id)
        assert (stored.job.id, stored.job.kind, stored.job.stage) == (job.id, JobKind.INGEST, Stage.PARSE)
        assert (stored.job.collection, stored.job.inputs) == ("docs", job.inputs)
        assert stored.job.deadline == 2_000_000_000.25
        assert stored.job.state is JobState.QUEUED
        assert (stored.job.attempts, stored.job.progress, stored.job.queue_position) == (0, Progress(), 1)
        assert before - 1 < stored.job.created_at == stored.job.queued_at < before + 5
        assert states(jobs, job.id) == [("queued", "parse", 0)]

    def test_a_job_knows_the_key_that_handed_it_in(self, jobs: JobStore) -> None:
        owned, nobodys = new_job(owner="acme"), new_job()

        assert jobs.accept(owned).job.owner == "acme"
        assert jobs.accept(nobodys).job.owner == ""
        assert jobs.retry(ended(jobs, JobState.FAILED, owner="beta")).owner == "beta"

    def test_an_unknown_job_has_no_record(self, jobs: JobStore) -> None:
        assert jobs.get("nobody") is None
        assert jobs.events("nobody") == []

    def test_the_same_key_and_body_give_the_same_job(self, jobs: JobStore) -> None:
        first = jobs.accept(new_job(), idempotency_key="k", body_digest="a")
        second = jobs.accept(new_job(), idempotency_key="k", body_digest="a")
        other_key = jobs.accept(new_job(), idempotency_key="l", body_digest="a")

        assert (first.new, second.new, other_key.new) == (True, False, True)
        assert second.job.id == first.job.id
        assert jobs.depth(Stage.PARSE) == 2

    def test_the_same_key_with_another_body_is_refused(self, jobs: JobStore) -> None:
        jobs.accept(new_job(), idempotency_key="k", body_digest="a")
        rejected = new_job()

        with pytest.raises(IdempotencyMismatch):
            jobs.accept(rejected, idempotency_key="k", body_digest="b")

        assert jobs.get(rejected.id) is None

    def test_a_key_used_by_many_at_once_makes_one_job(self, jobs: JobStore) -> None:
        outcomes = at_once(*[lambda: jobs.accept(new_job(), idempotency_key="k", body_digest="a")] * 8)

        assert len({outcome.job.id for outcome in outcomes}) == 1
        assert sum(outcome.new for outcome in outcomes) == 1

    def test_a_submit_repeated_by_the_driver_makes_one_job(self, jobs: JobStore) -> None:
        job = new_job()

        first, again = (jobs.accept(job, idempotency_key="k", body_digest="a") for _ in range(2))

        assert first == again
        assert kinds(jobs, job.id) == ["state"]

    def test_jobs_of_a_stage_wait_in_order(self, jobs: JobStore) -> None:
        ids = [accepted(jobs) for _ in range(3)]
        elsewhere = accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY))

        begun(jobs, ids[0])

        places = [job.queue_position for job in map(jobs.get, [*ids, elsewhere]) if job]
        assert places == [None, 1, 2, 1]
        assert (jobs.depth(Stage.PARSE), jobs.depth(Stage.EMBED_QUERY), jobs.depth(Stage.EMBED)) == (2, 1, 0)


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
