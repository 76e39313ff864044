"""What every JobStore must do."""

import json
import time

import pytest
import redis

from rag.errors import Conflict, IdempotencyMismatch, InvalidRequest, NotFound, Unavailable
from rag.model import EventKind, JobKind, JobState, Progress, Stage
from rag.ports import JobStore
from rag.settings import Settings
from rag.stores.jobs import RedisJobStore
from rag.stores.redis import connect_to
from tests.contract.jobrecords import (
    PROBLEM,
    accepted,
    all_pages,
    at_once,
    begun,
    ended,
    kinds,
    new_job,
    pruned,
    refused,
    states,
)


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

    def test_leftover_deliveries_are_dropped(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        assert jobs.begin("nobody", Stage.PARSE, lease_seconds=30) is None
        assert jobs.begin(job_id, Stage.EMBED, lease_seconds=30) is None
        lease = begun(jobs, job_id)

        assert jobs.begin(job_id, Stage.PARSE, lease_seconds=30) is None
        assert jobs.finish(lease, JobState.SUCCEEDED)
        assert jobs.begin(job_id, Stage.PARSE, lease_seconds=30) is None

    def test_one_of_many_beginners_wins(self, jobs: JobStore) -> None:
        for _ in range(10):
            job_id = accepted(jobs)
            leases = at_once(*[lambda at=job_id: jobs.begin(at, Stage.PARSE, lease_seconds=30)] * 4)
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

        assert jobs.begin(job_id, Stage.PARSE, lease_seconds=30) is None
        assert jobs.abandoned(silent_for=30, limit=10) == []

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


class TestWork:
    def test_progress_shows_in_the_record_and_as_an_event(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))

        assert jobs.progress(lease, Progress(3, 7))

        job = jobs.get(lease.job.id)
        assert job is not None
        assert job.progress == Progress(3, 7)
        assert jobs.events(job.id)[-1].data == {"done": 3, "total": 7}

    def test_advancing_queues_the_next_stage_with_fresh_attempts(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        lease = begun(jobs, job_id)

        assert jobs.advance(lease, Stage.EMBED, seconds=1.5)

        job = jobs.get(job_id)
        assert job is not None
        assert (job.state, job.stage, job.attempts, job.queue_position) == (
            JobState.QUEUED,
            Stage.EMBED,
            0,
            1,
        )
        assert job.timings["parse"] == 1.5
        assert job.error is None
        assert (jobs.depth(Stage.PARSE), jobs.depth(Stage.EMBED)) == (0, 1)
        assert begun(jobs, job_id, Stage.EMBED).job.attempts == 1
        assert not jobs.extend(lease, lease_seconds=30)

    def test_a_released_stage_is_as_if_it_had_not_begun(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        lease = begun(jobs, job_id)

        assert jobs.release(lease)
        assert jobs.release(lease), "a repeated step answers as before"

        job = jobs.get(job_id)
        assert job is not None
        assert (job.state, job.stage, job.attempts, job.retries) == (JobState.QUEUED, Stage.PARSE, 0, 0)
        again = begun(jobs, job_id)
        assert (again.job.attempts, again.job.retries) == (1, 0)

    def test_a_released_retry_is_not_counted(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)

        jobs.release(begun(jobs, job_id))

        again = begun(jobs, job_id)
        assert (again.job.attempts, again.job.retries) == (2, 1)

    def test_a_requeued_stage_counts_attempts_and_tells_why(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)

        assert jobs.requeue(begun(jobs, job_id), error=PROBLEM)

        event = jobs.events(job_id)[-1]
        assert (event.data["state"], event.data["attempts"], event.data["error"]) == ("queued", 1, PROBLEM)
        again = begun(jobs, job_id)
        assert (again.job.attempts, again.job.error) == (2, PROBLEM)

    def test_success_keeps_the_result_and_no_error(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)
        lease = begun(jobs, job_id)

        assert jobs.finish(lease, JobState.SUCCEEDED, seconds=2, result={"answer": "ä", "hits": []})

        job = jobs.get(job_id)
        assert job is not None
        assert (job.state, job.result, job.error) == (JobState.SUCCEEDED, {"answer": "ä", "hits": []}, None)
        assert job.finished_at is not None
        assert job.started_at is not None
        assert job.finished_at >= job.started_at
        assert job.timings["parse"] == 2
        assert kinds(jobs, job_id)[-2:] == ["state", "result"]

    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.DEAD])
    def test_a_bad_end_keeps_the_error(self, jobs: JobStore, state: JobState) -> None:
        lease = begun(jobs, accepted(jobs))

        assert jobs.finish(lease, state, error=PROBLEM)

        job = jobs.get(lease.job.id)
        assert job is not None
        assert (job.state, job.error, job.result) == (state, PROBLEM, None)
        assert kinds(jobs, job.id)[-2:] == ["state", "error"]

    def test_a_bad_end_without_a_reason_keeps_the_last_one(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        jobs.requeue(begun(jobs, job_id), error=PROBLEM)

        jobs.finish(begun(jobs, job_id), JobState.DEAD)

        job = jobs.get(job_id)
        assert job is not None
        assert job.error == PROBLEM

    def test_a_job_does_not_end_as_running(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        with pytest.raises(ValueError, match="running"):
            jobs.finish(lease, JobState.RUNNING)

    def test_a_step_repeated_by_the_driver_answers_as_before(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)
        first = begun(jobs, job_id)
        assert jobs.advance(first, Stage.EMBED, seconds=1)
        assert jobs.advance(first, Stage.EMBED, seconds=1)
        second = begun(jobs, job_id, Stage.EMBED)
        assert jobs.finish(second, JobState.SUCCEEDED, result={"n": 1})
        record, events = jobs.get(job_id), jobs.events(job_id)

        assert jobs.finish(second, JobState.SUCCEEDED, result={"n": 1})

        assert (jobs.get(job_id), jobs.events(job_id)) == (record, events)
        assert record is not None
        assert record.timings["parse"] == 1

    def test_nan_is_refused_before_it_is_stored(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        with pytest.raises(ValueError, match="JSON"):
            jobs.finish(lease, JobState.SUCCEEDED, result={"score": float("nan")})


class TestArtefacts:
    def test_bytes_are_kept_for_later_stages(self, jobs: JobStore) -> None:
        data = bytes(range(256)) * 8192
        lease = begun(jobs, accepted(jobs))

        assert jobs.put_artefact(lease, "vectors", data)
        jobs.advance(lease, Stage.EMBED, seconds=0)

        assert jobs.artefact(lease.job.id, "vectors") == data
        with pytest.raises(NotFound):
            jobs.artefact(lease.job.id, "other")

    def test_they_stay_for_a_retry_and_go_with_success(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.put_artefact(lease, "a", b"1")
        jobs.finish(lease, JobState.FAILED, error=PROBLEM)
        assert jobs.artefact(lease.job.id, "a") == b"1"

        jobs.retry(lease.job.id)
        jobs.finish(begun(jobs, lease.job.id), JobState.SUCCEEDED)

        with pytest.raises(NotFound):
            jobs.artefact(lease.job.id, "a")


class TestEvents:
    def test_they_come_in_order_and_resume(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        for text in "abc":
            assert jobs.emit(lease, EventKind.TOKEN, {"text": text})

        events = jobs.events(lease.job.id)

        assert [event.kind.value for event in events] == ["state", "state", "token", "token", "token"]
        assert [event.data["text"] for event in jobs.events(lease.job.id, after=events[2].id)] == ["b", "c"]
        assert jobs.events(lease.job.id, after=events[-1].id) == []

    def test_a_foreign_event_id_is_refused(self, jobs: JobStore) -> None:
        with pytest.raises(InvalidRequest):
            jobs.events("x", after="yesterday")


class TestCancel:
    def test_a_queued_job_never_begins(self, jobs: JobStore) -> None:
        job_id = accepted(jobs)

        job = jobs.cancel(job_id)

        assert (job.state, job.queue_position) == (JobState.CANCELLED, None)
        assert job.finished_at is not None
        assert jobs.begin(job_id, Stage.PARSE, lease_seconds=30) is None
        assert jobs.depth(Stage.PARSE) == 0
        assert states(jobs, job_id)[-1] == ("cancelled", "parse", 0)

    def test_a_running_job_loses_its_lease(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))

        jobs.cancel(lease.job.id)

        assert not jobs.extend(lease, lease_seconds=30)
        assert not jobs.emit(lease, EventKind.TOKEN, {"text": "x"})
        assert not jobs.finish(lease, JobState.SUCCEEDED)

    def test_only_jobs_that_are_not_over(self, jobs: JobStore) -> None:
        with pytest.raises(NotFound):
            jobs.cancel("nobody")
        for state in (state for state in JobState if state.final):
            with pytest.raises(Conflict, match=state):
                jobs.cancel(ended(jobs, state))

    def test_against_finish_one_wins_and_both_know(self, jobs: JobStore) -> None:
        for _ in range(20):
            lease = begun(jobs, accepted(jobs))
            late, finished = at_once(
                lambda of=lease: refused(lambda: jobs.cancel(of.job.id)),
                lambda of=lease: jobs.finish(of, JobState.SUCCEEDED, result={}),
            )
            job = jobs.get(lease.job.id)
            assert job is not None
            assert late == finished == (job.state is JobState.SUCCEEDED)


class TestRetry:
    @pytest.mark.parametrize("state", [JobState.FAILED, JobState.DEAD, JobState.CANCELLED])
    def test_resumes_at_the_stage_where_it_ended(self, jobs: JobStore, state: JobState) -> None:
        job_id = accepted(jobs)
        jobs.advance(begun(jobs, job_id), Stage.EMBED, seconds=1)
        lease = begun(jobs, job_id, Stage.EMBED)
        jobs.progress(lease, Progress(1, 2))
        jobs.finish(lease, state, error=PROBLEM)

        job = jobs.retry(job_id)

        assert (job.state, job.stage, job.attempts) == (JobState.QUEUED, Stage.EMBED, 0)
        assert (job.error, job.finished_at, job.progress) == (None, None, Progress())
        assert job.queue_position == 1
        assert begun(jobs, job_id, Stage.EMBED).token > lease.token
        assert not jobs.extend(lease, lease_seconds=30)
        assert not jobs.finish(lease, state)

    def test_a_deadline_moves_along(self, jobs: JobStore) -> None:
        now = time.time()
        job_id = accepted(jobs, new_job(deadline=now + 100))
        jobs.cancel(job_id)

        job = jobs.retry(job_id)

        assert job.deadline == pytest.approx(now + 100, abs=5)
        assert job.deadline is not None
        assert job.deadline > now + 100

    def test_only_jobs_that_ended_badly(self, jobs: JobStore) -> None:
        with pytest.raises(NotFound):
            jobs.retry("nobody")
        with pytest.raises(Conflict, match="queued"):
            jobs.retry(accepted(jobs))
        with pytest.raises(Conflict, match="succeeded"):
            jobs.retry(ended(jobs, JobState.SUCCEEDED))

    def test_a_retried_job_is_not_pruned(self, jobs: JobStore) -> None:
        job_id = ended(jobs, JobState.FAILED)
        jobs.retry(job_id)
        assert pruned(jobs, most=0, finished=-60, dead=-60) == []
        assert jobs.get(job_id) is not None


class TestPage:
    def test_newest_first_and_each_once(self, jobs: JobStore) -> None:
        ids = [accepted(jobs) for _ in range(9)]
        begun(jobs, ids[4])
        assert all_pages(jobs) == ids[::-1]

    def test_an_empty_store_has_an_empty_page(self, jobs: JobStore) -> None:
        assert all_pages(jobs) == []

    def test_by_state_and_kind(self, jobs: JobStore) -> None:
        ingests = [accepted(jobs) for _ in range(4)]
        queries = [accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY)) for _ in range(4)]
        jobs.finish(begun(jobs, ingests[1]), JobState.FAILED)
        begun(jobs, queries[2], Stage.EMBED_QUERY)

        assert all_pages(jobs, kind=JobKind.INGEST) == ingests[::-1]
        assert all_pages(jobs, state=JobState.FAILED) == [ingests[1]]
        assert all_pages(jobs, state=JobState.RUNNING) == [queries[2]]
        assert all_pages(jobs, state=JobState.QUEUED, kind=JobKind.QUERY) == [queries[i] for i in (3, 1, 0)]
        assert all_pages(jobs, state=JobState.DEAD) == []

    def test_by_collection(self, jobs: JobStore) -> None:
        ids = [accepted(jobs, new_job(collection=f"c{i % 3}")) for i in range(15)]

        assert all_pages(jobs, collections=["c1"]) == ids[1::3][::-1]
        assert all_pages(jobs, collections=["c0", "c2"]) == [i for n, i in enumerate(ids) if n % 3 != 1][::-1]
        assert all_pages(jobs, collections=[]) == []
        assert all_pages(jobs, collections=["other"]) == []


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
