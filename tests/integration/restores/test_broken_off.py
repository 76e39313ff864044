"""A restore that ends badly has changed nothing, or has left what its replay needs."""

from collections.abc import Callable

import pytest

from rag.model import JobState, Lease, Replacement, Reservation, Stage
from tasks.documents.purge_jobs import accept_purge
from tasks.submit.submissions import Ingestion, Submissions, Text
from tasks.upkeep.layouts import put_in_order
from tests.deliveries import finished
from tests.integration.inprocess import DIMENSIONS, OLD, InProcess
from tests.integration.installations import (
    COLLECTION,
    backed_up,
    ingested,
    names,
    restoring,
    seen,
    succeeded,
)
from tests.integration.restores.steps import killed, settled, until

OTHER = "logbook"


def in_other(tools: InProcess, desk: Submissions, name: str) -> None:
    tools.documents.put_collection(OTHER, OLD, DIMENSIONS[OLD])
    job_id = desk.ingest(Ingestion(Text(f"The {name} is logged."), OTHER, name)).job.id
    assert finished(tools, job_id).state is JobState.SUCCEEDED


def made_anew(tools: InProcess, desk: Submissions, name: str) -> None:
    desk.drop_collection(name)
    tools.documents.put_collection(name, OLD, DIMENSIONS[OLD])


def generation_of(tools: InProcess, name: str = COLLECTION) -> int:
    collection = tools.documents.collection(name)
    assert collection is not None
    return collection.generation


@pytest.fixture
def two(tools: InProcess, desk: Submissions) -> dict[str, str]:
    """Two collections in a backup, and what was ingested into the first one since; its documents."""
    ingested(tools, desk, *names(2))
    in_other(tools, desk, "tide")
    backed_up(tools, desk)
    ingested(tools, desk, "fresh")
    return seen(tools)


def test_a_collection_made_anew_ends_it_before_any_is_replaced(
    tools: InProcess, desk: Submissions, two: dict[str, str]
) -> None:
    job_id = restoring(desk)
    until(tools, job_id, Stage.SWITCH)
    made_anew(tools, desk, OTHER)

    job = finished(tools, job_id)
    settled(tools)

    assert job.state is JobState.FAILED
    assert OTHER in (job.error or {})["detail"]
    assert (generation_of(tools), seen(tools)) == (1, two)
    assert tools.documents.reservations() == ()


def test_a_collection_made_anew_in_the_switch_is_left_out_and_the_other_one_is_whole(
    tools: InProcess, desk: Submissions, two: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = restoring(desk)
    until(tools, job_id, Stage.SWITCH)
    monkeypatch.setattr(
        tools.documents, "replace", then(tools.documents.replace, lambda: made_anew(tools, desk, OTHER))
    )

    job = succeeded(tools, job_id)
    settled(tools)

    assert job.result is not None
    assert [each["name"] for each in job.result["collections"]] == [COLLECTION]
    assert [line for line in job.result["missing"] if OTHER in line]
    assert (generation_of(tools) > 1, seen(tools)) == (True, two)
    assert tools.documents.reservations() == ()


def then(real: Callable[..., bool], do: Callable[[], None]) -> Callable[..., bool]:
    """``real``, and at its first call whatever happens right behind it."""
    waiting = [do]

    def call(replacement: Replacement, *, under: Lease) -> bool:
        answer = real(replacement, under=under)
        while waiting:
            waiting.pop()()
        return answer

    return call


@pytest.mark.parametrize("end", ["cancelled", "dead"])
def test_what_was_replaced_is_there_until_the_replay_has_come_to_its_end(
    tools: InProcess, desk: Submissions, end: str
) -> None:
    ingested(tools, desk, *names(2))
    backed_up(tools, desk)
    ingested(tools, desk, "fresh")
    before = seen(tools)
    job_id = restoring(desk)
    until(tools, job_id, Stage.REPLAY)
    if end == "dead":
        killed(tools, job_id, Stage.REPLAY)
    else:
        desk.cancel(job_id)
    settled(tools)
    assert "fresh" not in seen(tools)

    desk.retry(job_id)
    assert succeeded(tools, job_id)
    settled(tools)

    assert seen(tools) == before
    assert tools.documents.reservations() == ()
    assert not list(tools.blobs.keys(f"sources/{COLLECTION}-1"))


@pytest.mark.parametrize("gone", ["the restore is forgotten", "the collection is dropped"])
def test_what_was_replaced_does_not_stay_for_ever(tools: InProcess, desk: Submissions, gone: str) -> None:
    ingested(tools, desk, *names(2))
    backed_up(tools, desk)
    job_id = restoring(desk)
    until(tools, job_id, Stage.REPLAY)
    desk.cancel(job_id)
    settled(tools)
    assert list(tools.blobs.keys(f"sources/{COLLECTION}-1"))

    if gone == "the collection is dropped":
        desk.drop_collection(COLLECTION)
    else:
        tools.jobs.prune(finished_before=4e9, dead_before=4e9, most=99, limit=99)
    settled(tools)

    assert tools.documents.reservations() == ()
    assert not list(tools.blobs.keys(f"sources/{COLLECTION}-1"))


def test_what_was_given_up_while_it_was_cancelled_is_loaded_anew(tools: InProcess, desk: Submissions) -> None:
    """The switch has read its reservations already when they are given up."""
    ingested(tools, desk, *names(2))
    backed_up(tools, desk)
    before = seen(tools)
    job_id = restoring(desk)
    until(tools, job_id, Stage.SWITCH)
    real = tools.documents.stage

    def stage(*args: object, **named: object) -> None:
        real(*args, **named)
        tools.documents.stage = real
        for reservation in tools.documents.reservations():
            assert tools.documents.give_up(reservation)

    tools.documents.stage = stage
    until(tools, job_id, Stage.REPLAY)
    put_in_order(tools)
    assert succeeded(tools, job_id)
    settled(tools)

    assert seen(tools) == before
    assert generation_of(tools) == 3
    assert tools.vectors.collections() == (f"{COLLECTION}-3",)


def test_a_generation_that_serves_is_not_purged(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(2))
    before = seen(tools)

    purge = accept_purge(tools.jobs, Reservation(COLLECTION, 1, "a")).job

    assert finished(tools, purge.id).state is JobState.SUCCEEDED
    assert seen(tools) == before
    assert len(list(tools.blobs.keys(f"sources/{COLLECTION}-1"))) == 2
