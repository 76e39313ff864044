"""What is cancelled or refused leaves nothing, and what was published before it stays."""

from time import time

import pytest

from rag.errors import Overloaded
from rag.model import Document, JobState, Lease
from tasks.submit.submissions import Submissions
from tasks.upkeep.maintenance import remove_leftovers
from tests.deliveries import finished, step
from tests.integration.flows.stages import (
    COLLECTION,
    InProcess,
    after_writing,
    asked,
    crashed_while_indexing,
    indexing,
    seen,
    submitted,
)


def test_a_cancelled_ingestion_leaves_no_points_and_no_work(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)
    after_writing(tools, monkeypatch, lambda: desk.cancel(job_id))

    assert step(tools, job_id).state is JobState.CANCELLED

    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("work")) == []
    assert tools.jobs.leftovers(limit=10) == []
    desk.retry(job_id)
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_a_cancelled_job_is_not_published_in_its_last_moment(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)
    real = tools.documents.publish

    def cancelled_first(document: Document, layouts: tuple[int, ...], *, under: Lease | None = None) -> bool:
        desk.cancel(job_id)
        return real(document, layouts, under=under)

    monkeypatch.setattr(tools.documents, "publish", cancelled_first)

    assert step(tools, job_id).state is JobState.CANCELLED

    assert seen(tools, "lamp") == []
    assert tools.vectors.count("handbook-1") == 0


def test_a_cancel_that_comes_after_the_publication_takes_nothing_away(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)
    real = tools.documents.publish

    def cancelled_then(document: Document, layouts: tuple[int, ...], *, under: Lease | None = None) -> bool:
        published = real(document, layouts, under=under)
        desk.cancel(job_id)
        return published

    monkeypatch.setattr(tools.documents, "publish", cancelled_then)

    assert step(tools, job_id).state is JobState.CANCELLED
    remove_leftovers(tools)
    tools.jobs.prune(finished_before=time() + 60, dead_before=0, most=0, limit=10)

    assert seen(tools, "lamp") == ["The lamp is green."]
    assert len(list(tools.blobs.keys("sources"))) == 1


def test_what_a_crashed_attempt_wrote_goes_soon_after_a_cancel(tools: InProcess, desk: Submissions) -> None:
    job_id = crashed_while_indexing(tools, desk)
    desk.cancel(job_id)

    assert remove_leftovers(tools) == 1

    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("work")) == []


def test_a_refused_upload_leaves_nothing(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tools.settings.model_copy(update={"max_open_ingests": 1, "max_open_queries": 1})
    small = Submissions(settings, tools.jobs, tools.documents, tools.blobs, publish=lambda job: None)
    first = submitted(small, "The lamp is green.")
    with pytest.raises(Overloaded) as early:
        submitted(small, "The lamp is violet.", document_id="other")
    monkeypatch.setattr(tools.jobs, "admit", lambda *_, **__: None)  # the last place went meanwhile
    with pytest.raises(Overloaded) as late:
        submitted(small, "The lamp is violet.", document_id="other")

    assert early.value.retry_after == late.value.retry_after
    assert [key.rsplit("/")[-1] for key in tools.blobs.keys("sources")] == [first]
    asked(small, "Which colour?")
    with pytest.raises(Overloaded, match="query"):
        asked(small, "Which colour?")
    assert small.drop_collection(COLLECTION).state is JobState.QUEUED, "deletions are never refused"
