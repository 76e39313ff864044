"""Stages that run once more, late or after a loss have their effect once."""

from collections.abc import Callable, Sequence

import pytest

from rag.journal.entries import opening_of
from rag.model import Job, JobState, Lease, Point, Stage
from rag.naming import chunks_key
from rag.redis.connection import connect
from rag.text.places import unpack_places
from tasks.documents.blob_keys import text_key, work_key
from tasks.submit.submissions import Submissions
from tasks.upkeep import rebuild
from tests.deliveries import begin, end_lease, finished, step
from tests.integration.flows.stages import COLLECTION, InProcess, after_writing, indexing, seen, submitted


def _missing(tools: InProcess, key: str) -> None:
    tools.blobs.delete(key)


def _cut_off(tools: InProcess, key: str) -> None:
    tools.blobs.put(key, tools.blobs.get(key)[:10])


def _overwritten(tools: InProcess, key: str) -> None:
    whole = tools.blobs.get(key)
    middle = len(whole) // 2
    tools.blobs.put(key, whole[:middle] + bytes(4) + whole[middle + 4 :])


@pytest.mark.parametrize("lost", ["text", "places", "chunks", "vectors-0-00000000"])
@pytest.mark.parametrize("damage", [_missing, _cut_off, _overwritten])
def test_what_was_lost_between_two_stages_is_made_again(
    tools: InProcess, desk: Submissions, lost: str, damage: Callable[[InProcess, str], None]
) -> None:
    job_id = submitted(desk, "The lamp is green.")
    step(tools, job_id)
    job = step(tools, job_id)
    text = text_key(job)
    key = {"text": text, "places": chunks_key(text)}.get(lost, work_key(job, lost))
    damage(tools, key)

    assert step(tools, job_id).stage is Stage.PARSE
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert seen(tools, "lamp") == ["The lamp is green."]
    assert tools.blobs.get(text) == b"The lamp is green."
    assert len(unpack_places(tools.blobs.get(chunks_key(text)))) == 1


def test_an_attempt_that_lost_its_job_removes_nothing_that_its_successor_needs(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)
    taken: list[Lease | None] = []

    def taken_over() -> None:
        end_lease(tools, job_id)
        taken.append(begin(tools.jobs, job_id, Stage.INDEX, lease_seconds=30, worker="another"))

    after_writing(tools, monkeypatch, taken_over)

    assert step(tools, job_id).state is JobState.RUNNING

    assert taken[0] is not None
    assert tools.vectors.count("handbook-1") == 1
    assert seen(tools, "lamp") == [], "only its successor may publish it"
    assert list(tools.blobs.keys("work")) != []
    end_lease(tools, job_id)
    assert finished(tools, job_id).state is JobState.SUCCEEDED
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_an_attempt_that_wakes_up_after_its_version_was_replaced_leaves_no_points(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = indexing(tools, desk)

    def everything_else_happens() -> None:
        begin(tools.jobs, job_id, Stage.INDEX, lease_seconds=0, worker=tools.worker)
        finished(tools, job_id)
        finished(tools, submitted(desk, "The lamp is violet."))

    real, done = tools.vectors.upsert, []

    def late(store: str, points: Sequence[Point]) -> None:
        if not done:
            done.append(True)
            everything_else_happens()
        real(store, points)

    monkeypatch.setattr(tools.vectors, "upsert", late)
    step(tools, job_id)

    assert tools.vectors.count("handbook-1") == 1
    assert seen(tools, "lamp") == ["The lamp is violet."]


def run_once_more(tools: InProcess, job_id: str, monkeypatch: pytest.MonkeyPatch) -> Job:
    """The end of a job whose records were lost before its end was journalled."""
    record = tools.restoration.jobs.record(job_id)
    tools.journal.reopen(opening_of(record))
    with connect(tools.settings) as client:
        client.flushall()
    rebuild.rebuild_records(tools.restoration)
    return finished(tools, job_id)


def test_a_published_document_is_recognised_when_its_job_runs_once_more(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished(tools, submitted(desk, "The lamp is green."))

    again = run_once_more(tools, first.id, monkeypatch)

    assert (again.state, again.result) == (JobState.SUCCEEDED, first.result)
    assert seen(tools, "lamp") == ["The lamp is green."]
    assert tools.vectors.count("handbook-1") == 1
    assert len(list(tools.blobs.keys("sources"))) == 1


@pytest.mark.parametrize("since", ["replaced", "deleted"])
def test_a_job_that_runs_once_more_brings_nothing_back(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    first = finished(tools, submitted(desk, "The lamp is green."))
    if since == "replaced":
        finished(tools, submitted(desk, "The lamp is violet."))
    else:
        finished(tools, desk.delete_document(COLLECTION, "doc").id)
    left = seen(tools, "lamp")

    again = run_once_more(tools, first.id, monkeypatch)

    assert again.state is JobState.SUCCEEDED
    assert again.result is not None
    assert again.result["superseded"]
    assert seen(tools, "lamp") == left


def test_what_was_unchanged_keeps_its_bytes_until_the_record_says_so(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tools, submitted(desk, "The lamp is green."))
    job_id = submitted(desk, "The lamp is green.")
    with monkeypatch.context() as patch:
        patch.setattr(tools.jobs, "finish", lambda *_, **__: False)
        step(tools, job_id)
    assert len(list(tools.blobs.keys("sources"))) == 2

    again = run_once_more(tools, job_id, monkeypatch)

    assert again.result is not None
    assert again.result["unchanged"]
    assert len(list(tools.blobs.keys("sources"))) == 1
