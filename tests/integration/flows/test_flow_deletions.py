"""What is deleted stays away and leaves nothing, whoever dies or is on its way."""

import pytest

from rag.errors import NotFound
from rag.model import Job, JobState
from tasks.submit.submissions import Submissions
from tasks.upkeep import maintenance
from tasks.upkeep.maintenance import assign_lost_purges
from tests.deliveries import finished, step
from tests.integration.flows.stages import COLLECTION, InProcess, seen, submitted


def test_a_document_deleted_on_its_way_stays_away(tools: InProcess, desk: Submissions) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    on_its_way = submitted(desk, "The lamp is violet.")
    step(tools, on_its_way)
    step(tools, on_its_way)
    purge = desk.delete_document(COLLECTION, "doc")
    assert seen(tools, "lamp") == []

    finished(tools, on_its_way)
    finished(tools, purge.id)

    assert seen(tools, "lamp") == []
    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("sources")) == []
    assert list(tools.blobs.keys("texts")) == []


@pytest.mark.parametrize("steps", range(3))
def test_a_document_deleted_on_its_way_for_the_first_time_never_comes(
    tools: InProcess, desk: Submissions, steps: int
) -> None:
    job_id = submitted(desk, "The lamp is green.")
    for _ in range(steps):
        step(tools, job_id)

    purge = desk.delete_document(COLLECTION, "doc")
    brought = finished(tools, job_id)

    assert (brought.state, brought.result and brought.result["superseded"]) == (JobState.SUCCEEDED, True)
    assert finished(tools, purge.id).state is JobState.SUCCEEDED
    assert tools.documents.get(COLLECTION, "doc") is None
    assert seen(tools, "lamp") == []
    assert "handbook-1" not in tools.vectors.collections() or tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("sources")) == []
    assert list(tools.blobs.keys("texts")) == []
    with pytest.raises(NotFound):
        desk.delete_document(COLLECTION, "doc")


def test_a_first_ingestion_deleted_by_an_api_that_dies_is_purged_by_the_sweeper(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submitted(desk, "The lamp is green.")
    deleted_by_an_api_that_dies(tools, desk, monkeypatch)
    sent: list[Job] = []
    monkeypatch.setattr(maintenance, "ring_for", sent.append)
    monkeypatch.setattr(maintenance, "LOST_AFTER", 0.0)

    assert (assign_lost_purges(tools), assign_lost_purges(tools)) == (1, 0)

    finished(tools, job_id)
    assert finished(tools, sent[0].id).state is JobState.SUCCEEDED
    assert tools.documents.get(COLLECTION, "doc") is None
    assert list(tools.blobs.keys("sources")) == []


def deleted_by_an_api_that_dies(tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tools.jobs, "accept", dying)
        with pytest.raises(SystemExit):
            desk.delete_document(COLLECTION, "doc")


def dying(*_: object) -> None:
    raise SystemExit


def test_a_deletion_whose_api_died_is_purged_by_the_sweeper(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    deleted_by_an_api_that_dies(tools, desk, monkeypatch)
    sent: list[Job] = []
    monkeypatch.setattr(maintenance, "ring_for", sent.append)
    assert assign_lost_purges(tools) == 0, "it may still be at it"

    monkeypatch.setattr(maintenance, "LOST_AFTER", 0.0)
    assert (assign_lost_purges(tools), assign_lost_purges(tools)) == (1, 0)

    (purge,) = sent
    assert finished(tools, purge.id).state is JobState.SUCCEEDED
    assert tools.vectors.count("handbook-1") == 0
    assert list(tools.blobs.keys("sources")) == []
    assert list(tools.blobs.keys("texts")) == []


def test_a_deletion_whose_api_died_can_be_made_again(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    deleted_by_an_api_that_dies(tools, desk, monkeypatch)

    purge = desk.delete_document(COLLECTION, "doc")

    assert finished(tools, purge.id).state is JobState.SUCCEEDED
    assert tools.vectors.count("handbook-1") == 0
    assert tools.documents.unpurged(silent_for=0, limit=9) == []
    with pytest.raises(NotFound):
        desk.delete_document(COLLECTION, "doc")


def test_a_document_whose_collection_went_before_its_purge_needs_none(
    tools: InProcess, desk: Submissions
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    purge = desk.delete_document(COLLECTION, "doc")
    finished(tools, desk.drop_collection(COLLECTION).id)

    assert finished(tools, purge.id).state is JobState.SUCCEEDED


@pytest.mark.parametrize("steps", range(3))
def test_a_document_on_its_way_into_a_dropped_collection_fails_and_says_so(
    tools: InProcess, desk: Submissions, steps: int
) -> None:
    job_id = submitted(desk, "The lamp is green.")
    for _ in range(steps):
        step(tools, job_id)
    desk.drop_collection(COLLECTION)

    job = step(tools, job_id)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert "deleted" in job.error["detail"]
