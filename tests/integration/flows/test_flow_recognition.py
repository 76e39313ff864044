"""Scans go to a lane of their own; what is recognised says so, and what is not read is named."""

from collections.abc import Iterator

import pytest

from rag import media
from rag.model import JobState, Stage
from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tasks.answer.results import result_of
from tasks.lanes import lane_of
from tasks.submit.submissions import Ingestion, Submissions
from tests.deliveries import finished, step
from tests.documents.office import docx
from tests.documents.page import with_picture, written
from tests.documents.pictured import with_parts
from tests.documents.scans import encoded, page
from tests.integration.flows.stages import COLLECTION, InProcess, hits_of, seen, upload

WORDS = [(72, 720, 12, "The harbour bell rings twice at noon.")]
SCAN = encoded(page("The lamp of the pier is green.", 150).convert("L"))
MIXED = with_picture([WORDS, []], {2: SCAN})


@pytest.fixture(scope="module")
def recogniser() -> Iterator[IsolatedParser]:
    with IsolatedParser(Settings(), "workers.recognition.child", recognises=True) as parser:
        yield parser


@pytest.fixture(autouse=True)
def recognising(monkeypatch: pytest.MonkeyPatch, recogniser: IsolatedParser) -> None:
    monkeypatch.setattr(InProcess, "recogniser", recogniser)


def send(desk: Submissions, data: bytes, name: str = "scan.pdf", kind: str = media.PDF) -> str:
    return desk.ingest(Ingestion(upload(data, name, kind), COLLECTION, name)).job.id


def set_ocr(tools: InProcess, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(tools, "_settings", tools.settings.model_copy(update={"ocr": value}))


def test_a_scan_waits_in_a_lane_that_no_text_goes_through(tools: InProcess, desk: Submissions) -> None:
    scan, text = send(desk, MIXED), send(desk, written([WORDS]), "text.pdf")

    assert step(tools, scan).stage is Stage.RECOGNISE
    assert lane_of(Stage.RECOGNISE).stages == (Stage.RECOGNISE,)
    assert step(tools, text).stage is Stage.EMBED
    assert step(tools, scan).stage is Stage.EMBED
    job = finished(tools, scan)

    assert job.state is JobState.SUCCEEDED
    assert "warnings" not in (job.result or {})


def test_pictures_within_a_document_are_read_in_that_lane_too(tools: InProcess, desk: Submissions) -> None:
    data = with_parts(docx(), {"word/media/image1.png": SCAN})
    job_id = send(desk, data, "plan.docx", media.DOCX)

    assert step(tools, job_id).stage is Stage.RECOGNISE
    job = finished(tools, job_id)

    assert "warnings" not in (job.result or {})
    (hit, *_) = hits_of(tools, "Which colour has the lamp of the pier?")
    shown = result_of([hit], collection=COLLECTION)["hits"][0]
    assert "The lamp of the pier is green." in shown["text"]
    assert shown["recognised"]["confidence"] > 0.9


def test_a_recognised_passage_says_how_sure_it_is(tools: InProcess, desk: Submissions) -> None:
    finished(tools, send(desk, SCAN, "pier.png", media.PNG))

    (hit,) = hits_of(tools, "Which colour has the lamp?")
    (shown,) = result_of([hit], collection=COLLECTION)["hits"]

    assert shown["text"] == "The lamp of the pier is green."
    assert 0.9 < shown["recognised"]["confidence"] <= 1


def test_a_passage_with_a_text_layer_says_nothing_of_recognition(tools: InProcess, desk: Submissions) -> None:
    finished(tools, send(desk, written([WORDS])))

    (hit,) = hits_of(tools, "When does the bell ring?")

    assert "recognised" not in result_of([hit], collection=COLLECTION)["hits"][0]


def test_without_recognition_the_pages_are_named_and_the_others_found(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ocr(tools, monkeypatch, "off")

    job = finished(tools, send(desk, MIXED))

    (warning,) = (job.result or {})["warnings"]
    assert (warning["kind"], warning["count"]) == ("pages", 1)
    assert warning["text"].startswith("page 2 was not read")
    assert seen(tools, "When does the bell ring?") == ["The harbour bell rings twice at noon."]


def test_without_recognition_a_scan_fails_with_its_reason(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ocr(tools, monkeypatch, "off")

    job = finished(tools, send(desk, SCAN, "pier.png", media.PNG))

    assert job.state is JobState.FAILED
    assert (job.error or {})["type"].endswith(":not-recognised")


def test_pages_that_were_not_read_are_when_the_document_is_sent_again_to_one_that_can(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ocr(tools, monkeypatch, "off")
    finished(tools, send(desk, MIXED))
    assert (finished(tools, send(desk, MIXED)).result or {})["unchanged"]

    set_ocr(tools, monkeypatch, "auto")
    again = finished(tools, send(desk, MIXED))

    assert not (again.result or {})["unchanged"]
    assert "The lamp of the pier is green." in "\n".join(seen(tools, "Which colour has the lamp?"))


def test_where_always_is_set_a_pdf_with_text_is_recognised_too(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_ocr(tools, monkeypatch, "always")

    assert step(tools, send(desk, written([WORDS]))).stage is Stage.RECOGNISE
