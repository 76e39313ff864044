"""Golden queries: a rehearsal asks them of a copy, which need not rank as what served."""

from dataclasses import replace
from random import Random

import pytest

from rag.model import Hit, JobKind, JobState, SearchQuery
from rag.vectors.edge.store import EdgeVectorStore
from tasks.submit.backups import Restoring
from tasks.submit.submissions import Submissions
from tests.deliveries import finished
from tests.integration.backups.making import COLLECTION, brought, ingested, made, names
from tests.integration.inprocess import DIMENSIONS, OLD, InProcess

WORDS = ("lantern", "buoy", "gate", "harbour", "keeper", "fog", "bell", "tide", "oar", "gull", "reef", "mast")
WEIGHTS = range(1, 13)


def page(seed: int) -> str:
    """Sentences of a few words that all pages share."""
    draw = Random(seed)
    return ".\n".join(" ".join(draw.choices(WORDS, WEIGHTS, k=8)).capitalize() for _ in range(6)) + "."


def test_replaced_documents_make_no_rehearsal_fail(tools: InProcess, desk: Submissions) -> None:
    """How rare a term is follows from deleted points too, in the engine, and not in its copy."""
    tools.documents.put_collection(COLLECTION, OLD, DIMENSIONS[OLD])
    for number in range(40):
        replaced = number >= 20
        job_id = brought(desk, f"isle{number % 20 // (10 if replaced else 1)}", page(number))
        assert finished(tools, job_id).state is JobState.SUCCEEDED
    backup = made(tools, desk)

    job = finished(tools, desk.backups.rehearse(backup.id).job.id)

    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result is not None
    assert job.result["golden"] > 10
    assert job.result["overlap"] > 0.9


def test_a_copy_that_finds_by_one_side_only_fails_a_rehearsal_and_no_restore(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(12))
    backup = made(tools, desk)
    real = EdgeVectorStore.search

    def worst(store: EdgeVectorStore, collection: str, query: SearchQuery) -> list[Hit]:
        return real(store, collection, replace(query, limit=1000))[-query.limit :][:2]

    monkeypatch.setattr(EdgeVectorStore, "search", worst)
    rehearsed = finished(tools, desk.backups.rehearse(backup.id).job.id)
    restored = finished(tools, desk.backups.restore(Restoring(backup.id, COLLECTION, "copy")).job.id)

    assert rehearsed.state is JobState.FAILED
    assert rehearsed.error is not None
    assert "finds other passages than when it was saved" in rehearsed.error["detail"]
    assert not tools.backup_status.results()[JobKind.REHEARSE]["ok"]
    assert tools.backup_status.damages().keys() == {backup.id}
    assert restored.state is JobState.SUCCEEDED, restored.error
    assert restored.result is not None
    assert restored.result["overlap"] < 0.9
