"""What every JobStore must do for a worker that holds a stage."""

import pytest

from rag.errors import NotFound
from rag.model import JobState, Progress, Stage
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import PROBLEM, accepted, begun, kinds


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

    def test_they_may_be_saved_with_the_step_that_ends_the_stage(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))

        assert jobs.advance(lease, Stage.EMBED, seconds=0, saves={"note": b"\x00\xff", "other": b""})

        assert jobs.artefact(lease.job.id, "note") == b"\x00\xff"
        assert jobs.artefact(lease.job.id, "other") == b""

    def test_an_attempt_that_lost_its_lease_saves_none(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.release(lease)

        assert not jobs.advance(lease, Stage.EMBED, seconds=0, saves={"note": b"1"})

        assert jobs.artefacts(("note",), (lease.job.id,)) == [{}]

    def test_those_of_many_jobs_are_read_together(self, jobs: JobStore) -> None:
        first, second = (begun(jobs, accepted(jobs)) for _ in range(2))
        jobs.put_artefact(first, "a", b"1")
        jobs.put_artefact(first, "b", b"2")
        jobs.put_artefact(second, "b", b"3")

        found = jobs.artefacts(("a", "c", "b"), (second.job.id, first.job.id, "unknown"))

        assert found == [{"b": b"3"}, {"a": b"1", "b": b"2"}, {}]

    def test_they_stay_for_a_retry_and_go_with_success(self, jobs: JobStore) -> None:
        lease = begun(jobs, accepted(jobs))
        jobs.put_artefact(lease, "a", b"1")
        jobs.finish(lease, JobState.FAILED, error=PROBLEM)
        assert jobs.artefact(lease.job.id, "a") == b"1"

        jobs.retry(lease.job.id)
        jobs.finish(begun(jobs, lease.job.id), JobState.SUCCEEDED)

        with pytest.raises(NotFound):
            jobs.artefact(lease.job.id, "a")
