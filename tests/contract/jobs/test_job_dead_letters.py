"""What every JobStore must do with dead letters."""

from typing import Any

import pytest
import redis

from rag.errors import Conflict, NotFound
from rag.model import JobState
from rag.ports import JobStore
from tests.contract.jobs.jobrecords import (
    PROBLEM,
    accepted,
    all_pages,
    begun,
    ended,
    new_job,
    pruned,
    record_of,
    states,
)


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
        assert all_pages(jobs, states=[JobState.FAILED]) == [job.id]
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
