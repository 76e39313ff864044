"""Documents whose title and metadata were changed come back as they were, whenever the backup was made."""

import pytest
import redis

from rag.model import JobState, Layout, Stage
from rag.naming import chunks_key
from rag.text.places import unpack_places
from tasks.submit.submissions import Change, Submissions
from tasks.upkeep.rebuild import rebuild_records
from tests.deliveries import finished, job_of
from tests.integration.brokers import declare_intact
from tests.integration.inprocess import InProcess
from tests.integration.installations import (
    COLLECTION,
    Install,
    backed_up,
    desk_of,
    ingested,
    points_in,
    restoring,
    seen,
    succeeded,
)
from tests.integration.restores.steps import settled, until

FACTS = {"year": 2026, "draft": None}
RED, GREEN = "The buoy is red.\nIt rings.", "The buoy is green.\nIt rings twice."


def change(tools: InProcess, desk: Submissions) -> str:
    document = tools.documents.get(COLLECTION, "buoy")
    assert document is not None
    return desk.changes.change(document, Change("Buoys", FACTS), owner="ann").job.id


def changed(tools: InProcess, desk: Submissions) -> None:
    job = finished(tools, change(tools, desk))
    assert job.state is JobState.SUCCEEDED, job.error


def is_changed(tools: InProcess, text: str = RED, name: str = COLLECTION) -> bool:
    """Whether the document has its new title and facts everywhere, and its passages stand where they did."""
    document = tools.documents.get(name, "buoy")
    collection = tools.documents.collection(name)
    assert document is not None
    assert collection is not None
    points = points_in(tools.vectors, collection.store)
    passages = [p.passage for p in points if p.passage.document_id == "buoy"]
    places = unpack_places(tools.blobs.get(chunks_key(document.text_key)))
    assert seen(tools, name)["buoy"] == f"{text}\n"
    assert tools.blobs.get(document.source_key) == tools.blobs.get(document.text_key) == text.encode()
    assert {place.chunk_id for place in places} == {passage.chunk_id for passage in passages}
    assert len(passages) == document.chunks == len(places)
    told = {(passage.title, str(passage.metadata)) for passage in passages}
    return told == {(document.title, str(document.metadata))} == {("Buoys", str(FACTS))}


@pytest.mark.parametrize("into", [None, "beside"])
def test_a_change_before_the_backup(tools: InProcess, desk: Submissions, into: str | None) -> None:
    ingested(tools, desk, "buoy", text=RED)
    ingested(tools, desk, "other")
    changed(tools, desk)
    backed_up(tools, desk)
    if into is None:
        ingested(tools, desk, "buoy", text=GREEN)
        finished(tools, desk.delete_document(COLLECTION, "buoy").id)

    options = {} if into is None else {"collection": COLLECTION, "into": into}
    succeeded(tools, restoring(desk, replay=False, **options))
    settled(tools)

    assert is_changed(tools, name=into or COLLECTION)


def test_a_change_after_the_backup_is_made_again(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "buoy", text=RED)
    backed_up(tools, desk)
    changed(tools, desk)

    succeeded(tools, restoring(desk))
    settled(tools)

    assert is_changed(tools)


def test_a_document_and_its_change_after_the_backup(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "other")
    backed_up(tools, desk)
    ingested(tools, desk, "buoy", text=RED)
    changed(tools, desk)

    succeeded(tools, restoring(desk))
    settled(tools)

    assert is_changed(tools)


def test_a_document_that_came_after_its_change(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "buoy", text=RED)
    backed_up(tools, desk)
    changed(tools, desk)
    ingested(tools, desk, "buoy", text=GREEN)

    succeeded(tools, restoring(desk))
    settled(tools)

    document = tools.documents.get(COLLECTION, "buoy")
    assert document is not None
    assert (document.title, document.metadata) == ("Log", {})
    assert seen(tools)["buoy"] == f"{GREEN}\n"


@pytest.mark.parametrize("stage", [Stage.PARSE, Stage.INDEX])
def test_a_change_that_is_on_its_way_goes_on(tools: InProcess, desk: Submissions, stage: Stage) -> None:
    ingested(tools, desk, "buoy", text=RED)
    job_id = change(tools, desk)
    if stage is not Stage.PARSE:
        until(tools, job_id, stage)
    backed_up(tools, desk)

    succeeded(tools, restoring(desk))
    settled(tools)

    assert job_of(tools, job_id).state is JobState.SUCCEEDED, job_of(tools, job_id).error
    assert is_changed(tools)


def test_records_that_are_rebuilt_have_the_change(
    tools: InProcess, desk: Submissions, redis_client: redis.Redis
) -> None:
    ingested(tools, desk, "buoy", text=RED)
    changed(tools, desk)
    redis_client.flushall()
    rebuild_records(tools.restoration)

    assert is_changed(tools)


def test_a_change_whose_record_was_lost_goes_on(
    tools: InProcess, desk: Submissions, redis_client: redis.Redis
) -> None:
    ingested(tools, desk, "buoy", text=RED)
    job_id = change(tools, desk)
    until(tools, job_id, Stage.INDEX)
    redis_client.flushall()
    rebuild_records(tools.restoration)
    assert tools.jobs.coming_of(COLLECTION, "buoy") == [job_id]

    settled(tools)

    assert is_changed(tools)
    assert tools.jobs.coming(COLLECTION) == 0


def test_another_installation(
    tools: InProcess, desk: Submissions, installed: Install, redis_client: redis.Redis
) -> None:
    ingested(tools, desk, "buoy", text=RED)
    backed_up(tools, desk)
    changed(tools, desk)
    backed_up(tools, desk)
    redis_client.flushall()
    declare_intact(redis_client)
    other = installed("second")

    succeeded(other, restoring(desk_of(other)))
    settled(other)

    assert is_changed(other)


def test_one_that_was_begun_beside_another_model(tools: InProcess, desk: Submissions) -> None:
    """A second layout that is being built has no points of the document to take vectors from."""
    ingested(tools, desk, "buoy", text=RED)
    collection = tools.documents.collection(COLLECTION)
    assert collection is not None
    tools.documents.begin_layout(collection, Layout(0, "new-model", 96, "job"))

    changed(tools, desk)

    assert is_changed(tools)
    both = tools.documents.collection(COLLECTION)
    assert both is not None
    assert [tools.vectors.count(both.store_of(layout)) for layout in both.layouts] == [2, 2]


def test_nothing_is_left_of_what_was_moved_twice(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "buoy", text=RED)
    backed_up(tools, desk)
    changed(tools, desk)
    for _ in range(2):
        succeeded(tools, restoring(desk))
        settled(tools)

    assert is_changed(tools)
    collection = tools.documents.collection(COLLECTION)
    assert collection is not None
    for sort in ("sources", "texts", "chunks"):
        keys = list(tools.blobs.keys(sort))
        assert len(keys) == 1, keys
        assert keys[0].startswith(f"{sort}/{collection.folder}/")
