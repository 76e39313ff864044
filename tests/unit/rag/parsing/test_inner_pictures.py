"""Pictures within documents, with a recogniser that reads one line in each."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rag import media
from rag.errors import NotRecognised
from rag.model import ParsedDocument, TextLine
from rag.parsing.formats import parse
from rag.parsing.inner_pictures import InnerPictures
from rag.parsing.picture_marks import mark_of
from rag.parsing.recognition import Recognition
from rag.text.chunking import TokenChunker
from tests.documents.office import docx
from tests.documents.pictured import FILES, SHOT, URI, with_parts
from tests.documents.scans import encoded

SAID = "The lamp is green."
ICON = encoded(Image.new("L", (40, 40), 128))
MOST = 1 << 20


class OneLine:
    """Recognises the same line in every picture."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def recognise(self, page: NDArray[np.uint8]) -> list[TextLine]:
        self.seen.append(page.shape)
        return [TextLine(((0.0, 0.0), (90.0, 0.0), (90.0, 9.0), (0.0, 9.0)), SAID, 0.9)]


every_file = pytest.mark.parametrize(("media_type", "data"), FILES.values(), ids=FILES)


def recognised(data: bytes, media_type: str) -> ParsedDocument:
    return parse(data, media_type, MOST, Recognition.within(60, OneLine(), every_page=False))


@every_file
def test_the_text_of_a_picture_stands_in_its_document_and_says_how_sure_it_is(
    media_type: str, data: bytes
) -> None:
    document = recognised(data, media_type)

    assert document.text.count(SAID) == 1
    (span,) = document.recognised
    assert (document.text[span.start : span.end].strip(), span.confidence) == (SAID, pytest.approx(0.9))
    assert document.warnings == ()
    chunks = TokenChunker(lambda text: len(text.split()), 8).chunk(document)
    assert {SAID in chunk.text: chunk.confidence for chunk in chunks} == {
        True: pytest.approx(0.9),
        False: None,
    }


@every_file
def test_without_recognition_pictures_are_counted_and_leave_no_mark(media_type: str, data: bytes) -> None:
    document = parse(data, media_type, MOST)

    assert [(warning.kind, warning.count) for warning in document.warnings] == [("pictures", 1)]
    assert "\ue002" not in document.text
    assert "base64" not in document.text


def test_a_picture_stands_where_it_is_shown_and_moves_what_follows() -> None:
    document = recognised(FILES["odt"][1], media.ODT)
    page = recognised(f"<html><body><p>a <img src='{URI}'> b</p><h1>Next</h1>".encode(), media.HTML)

    assert document.text == f"Before.\n\n{SAID}\n\nAfter."
    assert page.text == f"a {SAID} b\n\n# Next"
    assert [page.text[each.start :] for each in page.headings] == ["# Next"]


def test_a_picture_of_a_slide_is_on_its_page() -> None:
    document = recognised(FILES["pptx"][1], media.PPTX)

    first, second = document.pages
    assert SAID in document.text[first.start : first.end]
    assert document.text[second.start : second.end].startswith("#")


def test_a_document_of_pictures_only_is_not_empty() -> None:
    data = with_parts(docx("<w:p/>"), {"word/media/image1.png": SHOT})

    with pytest.raises(NotRecognised):
        parse(data, media.DOCX, MOST)
    assert recognised(data, media.DOCX).text == SAID


def read(parts: Mapping[str, bytes], shown: str) -> tuple[ParsedDocument, OneLine]:
    reader = OneLine()
    pictures = InnerPictures(
        lambda name: parts.get(name, b""), Recognition.within(60, reader, every_page=False)
    )
    text = "\n\n".join(["Words.", *(pictures.mark(name) for name in shown)])
    return pictures.read(ParsedDocument(text)), reader


def test_icons_and_pictures_that_come_again_and_again_are_left() -> None:
    document, reader = read({"i": ICON, "l": SHOT, "s": SHOT}, "illlls")

    assert len(reader.seen) == 1
    assert document.text.count(SAID) == 1
    assert document.warnings == ()


def test_drawings_and_broken_pictures_are_counted() -> None:
    document, reader = read({"d": bytes(20_000), "s": b"small"}, "ds")

    assert reader.seen == []
    assert [(warning.kind, warning.count) for warning in document.warnings] == [("parts", 1)]


def test_more_pictures_than_are_read_are_counted() -> None:
    names = "".join(chr(0x4E00 + number) for number in range(103))

    document, reader = read(dict.fromkeys(names, SHOT), names)

    assert len(reader.seen) == 100
    assert [(warning.kind, warning.count) for warning in document.warnings] == [("parts", 3)]


def test_pictures_for_which_there_is_no_time_are_counted() -> None:
    pictures = InnerPictures(lambda _: SHOT, Recognition(OneLine(), until=0.0))
    text = f"Words.\n\n{pictures.mark('a')}\n\nMore."

    document = pictures.read(ParsedDocument(text))

    assert document.text == "Words.\n\nMore."
    assert [(warning.kind, warning.count) for warning in document.warnings] == [("pictures", 1)]


def test_a_mark_that_a_file_repeats_brings_the_text_of_its_picture_once() -> None:
    data = f"<html><body><img src='{URI}'>{'<p>' + mark_of(0) * 3 + '</p>'}<p>Below.</p>".encode()

    assert recognised(data, media.HTML).text.count(SAID) == 1
