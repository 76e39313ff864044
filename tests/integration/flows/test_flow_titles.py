"""A title from the name of a file: it is shown, and its words are searched as those of a given one."""

from io import BytesIO

import pytest

from rag.model import Document, JobState, Json
from rag.naming import store_name
from rag.text import lexical
from tasks.submit.changes import Change
from tasks.submit.submissions import Ingestion, Submissions, Upload
from tests.deliveries import finished
from tests.integration.flows.stages import InProcess

COLLECTION = "handbook"
TEXT = "The torque of the ram bolts is 425 Nm."


def ingested(
    tools: InProcess,
    desk: Submissions,
    filename: str,
    *,
    text: str = TEXT,
    media_type: str = "text/plain",
    metadata: Json | None = None,
) -> Document:
    data = text.encode()
    upload = Upload(BytesIO(data), len(data), filename, filename, media_type)
    job = finished(
        tools, desk.ingest(Ingestion(upload, COLLECTION, filename, metadata=metadata or {})).job.id
    )
    assert job.state is JobState.SUCCEEDED, job.error
    return present(tools, filename)


def present(tools: InProcess, document_id: str) -> Document:
    document = tools.documents.get(COLLECTION, document_id)
    assert document is not None
    return document


def has_words_of(tools: InProcess, document_id: str, title: str) -> bool:
    """Whether the document's passages count every word of ``title`` in the search by words."""
    points = tools.vectors.scroll(store_name(COLLECTION, 1, 0), after=None, limit=99).items
    wanted = [each for each in lexical.question_features(title) if each.weight == 1]
    return all(
        all(not {*point.sparse.indices}.isdisjoint(each.ids) for each in wanted)
        for point in points
        if point.passage.document_id == document_id
    )


def test_the_words_of_a_files_name_are_searched_where_it_is_the_title(
    tools: InProcess, desk: Submissions
) -> None:
    for name in ("Osprey press 2026.txt", "Falcon_press_2026.txt"):
        document = ingested(tools, desk, name)

        title = name.removesuffix(".txt")
        assert (document.title, document.searched_title, document.given_title) == (title, title, "")
        assert has_words_of(tools, name, title.replace("_", " "))


def test_the_words_of_a_files_name_are_searched_beside_a_title_in_the_text(
    tools: InProcess, desk: Submissions
) -> None:
    document = ingested(tools, desk, "Falcon.md", text=f"# Maintenance\n\n{TEXT}", media_type="text/markdown")

    assert (document.title, document.searched_title) == ("Maintenance", "Falcon")
    assert has_words_of(tools, "Falcon.md", "Falcon")


def test_a_passage_tells_the_title_that_the_files_name_gives(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "Falcon.md", text=f"# Maintenance\n\n{TEXT}", media_type="text/markdown")

    points = tools.vectors.scroll(store_name(COLLECTION, 1, 0), after=None, limit=99).items
    passages = [point.passage for point in points if point.passage.document_id == "Falcon.md"]
    assert {(passage.title, passage.searched_title) for passage in passages} == {("Maintenance", "Falcon")}


def test_the_words_of_named_metadata_are_searched(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tools.settings.model_copy(update={"context_metadata": ("product",)})
    monkeypatch.setattr(tools, "_settings", named)
    ingested(tools, desk, "sheet.txt", metadata={"product": "Kestrel 400", "shelf": "Merlin"})

    assert has_words_of(tools, "sheet.txt", "Kestrel 400")
    assert not has_words_of(tools, "sheet.txt", "Merlin")


def test_a_change_of_metadata_keeps_the_words_and_a_given_title_replaces_them(
    tools: InProcess, desk: Submissions
) -> None:
    first = ingested(tools, desk, "Osprey press.txt")

    for change, title in ((Change(None, {"year": 2026}), "Osprey press"), (Change("Kite", {}), "Kite")):
        now = present(tools, first.document_id)
        job = finished(tools, desk.changes.change(now, change).job.id)

        assert job.state is JobState.SUCCEEDED, job.error
        changed = present(tools, first.document_id)
        assert (changed.title, changed.searched_title) == (title, title)
        assert has_words_of(tools, first.document_id, title)
    assert not has_words_of(tools, first.document_id, "Osprey")
