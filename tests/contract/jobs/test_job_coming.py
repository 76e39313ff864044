"""How every JobStore must tell which documents are on their way."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import redis

from rag.journal.entries import opening_of
from rag.model import JobKind, JobState, NewJob, Stage
from rag.ports import JobStore
from rag.recovery.rebuild import JobRestoration
from rag.settings import Settings
from tests.contract.jobs.jobrecords import accepted, begun, new_job, record_of


def bringing(document_id: str, collection: str = "docs") -> NewJob:
    job = new_job(collection=collection)
    return replace(job, inputs={**job.inputs, "document_id": document_id})


def test_ingestions_that_are_not_over_are_counted_for_their_collection(jobs: JobStore) -> None:
    accepted(jobs, bringing("a"))
    accepted(jobs, bringing("a"))
    accepted(jobs, bringing("b", collection="other"))
    accepted(jobs, new_job(JobKind.QUERY, Stage.EMBED_QUERY))
    accepted(jobs, new_job(JobKind.DELETE, Stage.PURGE))

    assert [jobs.coming(name) for name in ("docs", "other", "nowhere")] == [2, 1, 0]


def _cancel(jobs: JobStore, job_id: str) -> None:
    jobs.cancel(job_id)


def _finish(state: JobState) -> Callable[[JobStore, str], None]:
    def finish(jobs: JobStore, job_id: str) -> None:
        assert jobs.finish(begun(jobs, job_id), state)

    return finish


@pytest.mark.parametrize(
    "end", [_cancel, *map(_finish, (JobState.SUCCEEDED, JobState.FAILED, JobState.DEAD))]
)
def test_one_that_is_over_is_on_its_way_no_more(jobs: JobStore, end: Callable[[JobStore, str], None]) -> None:
    ended, other = accepted(jobs, bringing("a")), accepted(jobs, bringing("a"))

    end(jobs, ended)

    assert jobs.coming("docs") == 1
    assert jobs.coming_of("docs", "a") == [other]


def test_one_at_work_and_one_tried_again_are_on_their_way(jobs: JobStore) -> None:
    job_id = accepted(jobs, bringing("a"))
    lease = begun(jobs, job_id)
    assert jobs.coming("docs") == 1
    assert jobs.requeue(lease, error={"type": "x", "detail": "away"})
    assert jobs.coming("docs") == 1

    jobs.cancel(job_id)
    jobs.retry(job_id)

    assert jobs.coming_of("docs", "a") == [job_id]


@pytest.mark.parametrize("document_id", ["a", "a b", "ab", "ä/ü.md", "x" * 256])
def test_only_those_of_the_very_document_are_told(jobs: JobStore, document_id: str) -> None:
    for other in ("a", "a b", "ab", "ä/ü.md", "x" * 256, "a/b", "0"):
        if other != document_id:
            accepted(jobs, bringing(other))
    wanted = [accepted(jobs, bringing(document_id)) for _ in range(2)]

    assert jobs.coming_of("docs", document_id) == wanted
    assert jobs.coming_of("elsewhere", document_id) == []


def test_they_are_known_again_once_lost_records_are_restored(
    jobs: JobStore, redis_client: redis.Redis
) -> None:
    job = record_of(jobs, accepted(jobs, bringing("a")))
    restoration = JobRestoration(redis_client, Settings(journal="all"))
    fields = restoration.record(job.id)
    over = _over(jobs, restoration)
    redis_client.delete(*redis_client.keys("{aegis}:*job*"), *redis_client.keys("{aegis}:coming:*"))

    assert restoration.restore([opening_of(fields), over]) == 2

    assert jobs.coming_of("docs", "a") == [job.id]
    assert jobs.coming("docs") == 1


def _over(jobs: JobStore, restoration: JobRestoration) -> dict[str, str]:
    job_id = accepted(jobs, bringing("b"))
    jobs.finish(begun(jobs, job_id), JobState.SUCCEEDED)
    return dict(restoration.record(job_id))
