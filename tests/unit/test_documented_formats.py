"""docs/reference/formats.md tells the truth about each format that is read."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rag import media
from rag.model import ParsedDocument, TextLine
from rag.parsing.formats import parse, parsers
from rag.parsing.recognition import Recognition
from tests.documents import MAKERS
from tests.documents.page import Line, pdf, with_picture
from tests.documents.pictured import FILES
from tests.documents.scans import encoded

PAGE = (Path(__file__).parents[2] / "docs/reference/formats.md").read_text("utf-8")
ROWS = re.findall(
    r"^\| ([\w ]+) \| ([a-z, ]+) \| ([a-z, ]+) \| ((?:`[a-z]+`(?:, )?)*) ?\|$", PAGE, re.MULTILINE
)
BY_EXTENSION = {extensions: (citations, warns) for _, extensions, citations, warns in ROWS}
MOST_TEXT = 1 << 20
GREY = Image.new("L", (300, 200), 128)


class OneLine:
    """Recognises the same line in every picture, and fails at another."""

    def recognise(self, page: NDArray[np.uint8]) -> list[TextLine]:
        corners = ((0.0, 0.0), (90.0, 0.0), (90.0, 9.0), (0.0, 9.0))
        return [TextLine(corners, "The lamp is green.", 0.97), TextLine(corners, "", 0.2)]


def lacking(media_type: str) -> bytes:
    """A file of which something cannot be read, if the format has such things."""
    if media_type == media.PDF:
        pages: list[list[Line]] = [[(72, 720, 12, "The bell rings.")], []]
        return with_picture(pages, {1: encoded(GREY), 2: encoded(GREY)}, (72, 300, 300, 200))
    if (ending := media.READABLE[media_type][0]) in FILES:
        return FILES[ending][1]
    whole = MAKERS[media_type]()
    if media_type == media.RTF:
        return whole
    if media_type in (media.JSON, media.JSONL):
        whole = '{"size": "Größe"}'.encode()
    return whole.decode("utf-8").encode("cp1252", "ignore")


def parsed(media_type: str) -> ParsedDocument:
    if media_type in media.PICTURES:
        kind = media_type.removeprefix("image/").upper()
        recognition = Recognition.within(60, OneLine(), every_page=False)
        return parse(encoded(GREY, kind), media_type, MOST_TEXT, recognition)
    return parse(pdf() if media_type == media.PDF else MAKERS[media_type](), media_type, MOST_TEXT)


every_format = pytest.mark.parametrize(
    "media_type", sorted(media.READABLE), ids=lambda kind: media.READABLE[kind][0]
)


def test_every_format_that_a_parser_reads_is_on_the_page_with_its_extensions() -> None:
    assert set(BY_EXTENSION) == {", ".join(media.READABLE[kind]) for kind in parsers(MOST_TEXT)}
    assert len(ROWS) == len(media.READABLE)


@every_format
def test_the_page_says_how_citations_point_into_it(media_type: str) -> None:
    document = parsed(media_type)
    pages = ["page"] if document.pages else []
    headings = ["headings"] if document.headings else []

    assert BY_EXTENSION[", ".join(media.READABLE[media_type])][0] == ", ".join(pages + headings) or "offsets"


@every_format
def test_the_page_says_what_is_named_when_it_is_not_read(media_type: str) -> None:
    if media_type in media.PICTURES:
        document = parsed(media_type)
    else:
        document = parse(lacking(media_type), media_type, MOST_TEXT)
    found = sorted({warning.kind for warning in document.warnings})

    assert BY_EXTENSION[", ".join(media.READABLE[media_type])][1] == ", ".join(f"`{kind}`" for kind in found)


def test_every_value_of_ocr_is_on_the_page() -> None:
    assert re.findall(r"^\| `([a-z]+)` \| ", PAGE, re.MULTILINE) == ["off", "auto", "always"]


def test_a_recognised_page_says_how_sure_it_is() -> None:
    (only,) = parsed(media.PNG).pages

    assert (only.number, only.confidence) == (1, pytest.approx(0.97))
