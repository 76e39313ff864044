"""A document's title and metadata are changed by a job, which embeds nothing and takes no content back."""

from collections.abc import Callable

import pytest

from rag.errors import Conflict
from rag.model import Document, Job, JobState, Json, Stage
from rag.naming import chunks_key
from rag.text.places import unpack_places
from tasks.documents.layouts import embedder_for
from tasks.documents.leftovers import remove_leftovers_of
from tasks.ingest import ingest, publication
from tasks.submit.submissions import Change, Idempotency, Ingestion, Question, Submissions, Text
from tests.deliveries import finished, step
from tests.integration.flows.stages import COLLECTION, InProcess, seen

LONG = "\n\n".join(f"Room {n} has {n + 7} chairs, and its lamp is violet. " * 12 for n in range(12))


@pytest.fixture
def no_model(tools: InProcess, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on nothing may be embedded but questions."""

    def forbid() -> None:
        model = embedder_for(tools, None, fresh=True)
        monkeypatch.setattr(type(model), "embed_passages", lambda *_: pytest.fail("embedded again"))

    return forbid


def ingested(tools: InProcess, desk: Submissions, text: str = LONG, **more: object) -> Document:
    ingestion = Ingestion(Text(text), COLLECTION, "doc", **more)  # type: ignore[arg-type]
    job = finished(tools, desk.ingest(ingestion, owner="ann").job.id)
    assert job.state is JobState.SUCCEEDED, job.error
    return present(tools)


def present(tools: InProcess) -> Document:
    document = tools.documents.get(COLLECTION, "doc")
    assert document is not None
    return document


def tokens(tools: InProcess, document: Document) -> list[int]:
    return [place.tokens for place in unpack_places(tools.blobs.get(chunks_key(document.text_key)))]


def changed(
    tools: InProcess, desk: Submissions, title: str | None = None, metadata: Json | None = None
) -> Job:
    change = Change(title, present(tools).metadata if metadata is None else metadata)
    return finished(tools, desk.changes.change(present(tools), change, owner="bob").job.id)


def hits(tools: InProcess, desk: Submissions, where: Json) -> list[Json]:
    question = Question("Which colour is the lamp?", COLLECTION, 50, 50, where, generate=False)
    job = finished(tools, desk.ask(question).job.id)
    assert job.result is not None
    found: list[Json] = job.result["hits"]
    return found


def test_the_same_file_that_comes_before_its_change_is_done_keeps_the_change(
    tools: InProcess, desk: Submissions
) -> None:
    ingested(tools, desk)
    change = desk.changes.change(present(tools), Change("Harbour rules", {"year": 2026}), owner="bob").job.id
    ingested(tools, desk)

    job = finished(tools, change)

    assert job.state is JobState.SUCCEEDED, job.error
    assert (present(tools).title, present(tools).metadata) == ("Harbour rules", {"year": 2026})


def test_the_same_file_still_outdates_another_one_that_came_before_it(
    tools: InProcess, desk: Submissions
) -> None:
    ingested(tools, desk)
    other = desk.ingest(Ingestion(Text("Another text."), COLLECTION, "doc"), owner="ann").job.id
    ingested(tools, desk)

    finished(tools, other)

    assert present(tools).chunks > 1


def test_title_and_metadata_are_changed_everywhere_without_a_model(
    tools: InProcess, desk: Submissions, no_model: Callable[[], None]
) -> None:
    before = ingested(tools, desk, metadata={"lang": "en", "year": 2024})
    vectors = tools.vectors.scroll("handbook-1", after=None, limit=99).items
    before_tokens = tokens(tools, before)
    no_model()

    job = changed(tools, desk, "Harbour rules", {"lang": "de"})

    assert job.state is JobState.SUCCEEDED, job.error
    after = present(tools)
    assert (after.title, after.given_title, after.metadata) == (
        "Harbour rules",
        "Harbour rules",
        {"lang": "de"},
    )
    assert (after.version, after.chunks, after.tokens) == (2, before.chunks, before.tokens)
    assert after.created_at == before.created_at < after.updated_at
    assert tokens(tools, after) == before_tokens
    assert (after.owner, after.size, after.media_type) == ("ann", before.size, before.media_type)
    assert tools.vectors.count("handbook-1") == before.chunks
    found = hits(tools, desk, {"lang": "de"})
    assert {(hit["title"], hit["metadata"]["lang"]) for hit in found} == {("Harbour rules", "de")}
    assert len(found) == before.chunks > 1
    assert hits(tools, desk, {"lang": "en"}) == []
    assert "Harbour" not in LONG
    assert seen(tools, "Harbour rules")
    kept = {point.passage.index: point for point in vectors}
    for point in tools.vectors.scroll("handbook-1", after=None, limit=99).items:
        assert (point.dense == kept[point.passage.index].dense).all()
        assert point.passage.text == kept[point.passage.index].passage.text


def test_text_source_and_places_stay_and_nothing_else_is_left(tools: InProcess, desk: Submissions) -> None:
    before = ingested(tools, desk)
    places = unpack_places(tools.blobs.get(chunks_key(before.text_key)))

    changed(tools, desk, "T")

    after = present(tools)
    assert tools.blobs.get(after.source_key) == LONG.encode()
    assert tools.blobs.get(after.text_key).split() == LONG.encode().split()
    moved = unpack_places(tools.blobs.get(chunks_key(after.text_key)))
    assert [(p.start, p.end, p.first, p.last) for p in moved] == [
        (p.start, p.end, p.first, p.last) for p in places
    ]
    assert {p.chunk_id for p in moved}.isdisjoint(p.chunk_id for p in places)
    for folder in ("sources", "texts", "chunks"):
        assert len(list(tools.blobs.keys(folder))) == 1
    assert list(tools.blobs.keys("work")) == []


def test_what_is_changed_already_makes_no_version(tools: InProcess, desk: Submissions) -> None:
    before = ingested(tools, desk, title="T", metadata={"a": 1})

    job = changed(tools, desk, "T", {"a": 1})

    assert job.result is not None
    assert job.result["unchanged"]
    assert present(tools).version == before.version
    assert len(list(tools.blobs.keys("sources"))) == 1


def test_the_same_upload_again_keeps_the_change(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk)
    changed(tools, desk, "T", {"a": 1})

    again = ingested(tools, desk)

    assert (again.title, again.metadata) == ("T", {"a": 1})


def test_a_change_waits_for_no_version_that_is_on_its_way(tools: InProcess, desk: Submissions) -> None:
    document = ingested(tools, desk)
    coming = desk.ingest(Ingestion(Text("The lamp is green."), COLLECTION, "doc")).job

    with pytest.raises(Conflict, match=coming.id):
        desk.changes.change(document, Change("T", {}))
    finished(tools, coming.id)

    assert changed(tools, desk, "T").state is JobState.SUCCEEDED
    assert seen(tools, "lamp") == ["The lamp is green."]
    assert present(tools).title == "T"


@pytest.mark.parametrize("published", [False, True])
def test_a_change_never_takes_a_later_content_back(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch, published: bool
) -> None:
    """One that was on its way in the very moment in which the change was accepted."""
    document = ingested(tools, desk, "The lamp is violet.")
    upload = desk.ingest(Ingestion(Text("The lamp is green."), COLLECTION, "doc")).job
    with monkeypatch.context() as patch:
        patch.setattr(tools.jobs, "coming_of", lambda *_: [])
        change = desk.changes.change(document, Change("T", {})).job
    if published:
        finished(tools, upload.id)

    job = finished(tools, change.id)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert job.error["type"] == "urn:aegis:problem:conflict"
    finished(tools, upload.id) if not published else None
    assert seen(tools, "lamp") == ["The lamp is green."]
    remove_leftovers_of(tools, change.id)
    assert tools.vectors.count("handbook-1") == 1
    assert len(list(tools.blobs.keys("texts"))) == 1


def test_one_that_is_published_while_the_change_is_indexed_stays(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = ingested(tools, desk, "The lamp is violet.")
    upload = desk.ingest(Ingestion(Text("The lamp is green."), COLLECTION, "doc")).job
    with monkeypatch.context() as patch:
        patch.setattr(tools.jobs, "coming_of", lambda *_: [])
        change = desk.changes.change(document, Change("T", {})).job
        assert step(tools, change.id).stage is Stage.INDEX
    finished(tools, upload.id)

    assert finished(tools, change.id).state is JobState.FAILED
    assert seen(tools, "lamp") == ["The lamp is green."]


def test_a_later_upload_replaces_what_was_changed(tools: InProcess, desk: Submissions) -> None:
    document = ingested(tools, desk, "The lamp is violet.", metadata={"a": 1})
    change = desk.changes.change(document, Change("T", {"b": 2})).job
    upload = desk.ingest(Ingestion(Text("The lamp is green."), COLLECTION, "doc", metadata={"c": 3})).job
    finished(tools, upload.id)

    job = finished(tools, change.id)

    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    assert job.result["superseded"]
    assert (seen(tools, "lamp"), present(tools).metadata) == (["The lamp is green."], {"c": 3})


def test_a_document_that_was_deleted_stays_so(tools: InProcess, desk: Submissions) -> None:
    document = ingested(tools, desk, "The lamp is violet.")
    change = desk.changes.change(document, Change("T", {})).job
    finished(tools, desk.delete_document(COLLECTION, "doc").id)

    finished(tools, change.id)

    assert tools.documents.get(COLLECTION, "doc") is None
    assert seen(tools, "lamp") == []
    assert tools.vectors.count("handbook-1") == 0


def test_an_attempt_that_dies_anywhere_is_made_again(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = ingested(tools, desk)
    for module, function in ((ingest, "with_kept_vectors"), (publication, "discard")):
        change = desk.changes.change(present(tools), Change(function, {})).job
        with monkeypatch.context() as patch:
            patch.setattr(module, function, lambda *_, **__: _die())
            with pytest.raises(KeyboardInterrupt):
                finished(tools, change.id)

        assert finished(tools, change.id).state is JobState.SUCCEEDED
        assert present(tools).title == function
        assert tools.vectors.count("handbook-1") == document.chunks


def _die() -> None:
    raise KeyboardInterrupt


def test_where_points_are_missing_the_document_is_made_anew(tools: InProcess, desk: Submissions) -> None:
    document = ingested(tools, desk)
    tools.vectors.drop("handbook-1")

    job = changed(tools, desk, "T")

    assert job.state is JobState.SUCCEEDED, job.error
    assert tools.vectors.count("handbook-1") == document.chunks
    assert present(tools).title == "T"


def test_a_repeated_submit_is_the_same_change(tools: InProcess, desk: Submissions) -> None:
    document, once = ingested(tools, desk), Idempotency("k", "d")

    first = desk.changes.change(document, Change("T", {}), once)
    finished(tools, first.job.id)
    again = desk.changes.change(present(tools), Change("T", {}), once)

    assert (first.new, again.new) == (True, False)
    assert again.job.id == first.job.id
