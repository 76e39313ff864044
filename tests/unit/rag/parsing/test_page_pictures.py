"""Pictures on PDF pages that have text, with a recogniser that reads one line in each."""

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pypdfium2 import PdfDocument, PdfMatrix

from rag.media import PDF
from rag.model import ParsedDocument, TextLine
from rag.parsing.formats import parse
from rag.parsing.recognition import Recognition
from tests.documents.page import Line, with_picture, written
from tests.documents.scans import encoded

SAID = "Valve V-12 is shut."
ABOVE, BELOW = "The screen of the pump shows this", "Then call the fitter of the shift"
TEXT: list[Line] = [(72, 720, 12, ABOVE), (72, 300, 12, BELOW)]
PLACE = (72, 400, 300, 200)
SHOT = encoded(Image.linear_gradient("L").resize((600, 400)))


class OneLine:
    """Recognises ``said`` in every picture."""

    def __init__(self, said: str = SAID) -> None:
        self.said = said
        self.seen: list[NDArray[np.uint8]] = []

    def recognise(self, page: NDArray[np.uint8]) -> list[TextLine]:
        self.seen.append(page)
        return [TextLine(((0.0, 0.0), (90.0, 0.0), (90.0, 9.0), (0.0, 9.0)), self.said, 0.9)]


def recognised(data: bytes, recogniser: OneLine, *, every_page: bool = False) -> ParsedDocument:
    return parse(data, PDF, 1 << 20, Recognition.within(60, recogniser, every_page=every_page))


def turned(data: bytes, degrees: int) -> bytes:
    document, out = PdfDocument(data), BytesIO()
    document[0].set_rotation(degrees)
    document.save(out)
    return out.getvalue()


def test_the_text_of_a_large_picture_stands_between_the_lines_around_it_and_is_on_its_page() -> None:
    first: list[Line] = [(72, 720, 12, "The pump hall has two doors")]
    document = recognised(with_picture([first, TEXT], {2: SHOT}, PLACE), OneLine())

    ((start, end),) = ((each.start, each.end) for each in document.recognised)
    assert document.text[start:end] == SAID
    assert document.text.index(ABOVE) < start < document.text.index(BELOW)
    assert [page.number for page in document.pages if page.start <= start < page.end] == [2]
    assert [page.confidence for page in document.pages] == [None, None]
    assert document.recognised[0].confidence == pytest.approx(0.9)
    assert document.warnings == ()


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_only_the_picture_is_recognised_however_its_page_is_turned(degrees: int) -> None:
    reader = OneLine()

    recognised(turned(with_picture([TEXT], {1: SHOT}, PLACE), degrees), reader)

    (seen,) = reader.seen
    sides = [side * 300 / 72 for side in (200, 300)]
    assert sorted(seen.shape[:2]) == pytest.approx(sides, abs=3)
    assert {int(edge.min()) for edge in (seen[5:-5, 5], seen[5, 5:-5])} != {255}


def test_a_picture_within_a_form_is_found_where_the_form_stands() -> None:
    inner, outer = PdfDocument(with_picture([[]], {1: SHOT}, PLACE)), PdfDocument(written([TEXT]))
    form = inner.page_as_xobject(0, outer).as_pageobject()
    form.set_matrix(PdfMatrix().scale(0.9, 0.9).translate(0, 40))
    page = outer[0]
    page.insert_obj(form)
    page.gen_content()
    outer.save(out := BytesIO())

    (warning,) = parse(out.getvalue(), PDF, 1 << 20).warnings
    reader = OneLine()
    recognised(out.getvalue(), reader)

    assert (warning.kind, warning.count) == ("pictures", 1)
    assert sorted(reader.seen[0].shape[:2]) == pytest.approx(
        [0.9 * 200 * 300 / 72, 0.9 * 300 * 300 / 72], abs=3
    )


def test_without_recognition_pictures_are_counted_with_their_pages() -> None:
    document = parse(with_picture([TEXT, TEXT, TEXT], {1: SHOT, 3: SHOT}, PLACE), PDF, 1 << 20)

    (warning,) = document.warnings
    assert (warning.kind, warning.count) == ("pictures", 2)
    assert warning.text == "2 pictures on pages 1, 3 were not read"


@pytest.mark.parametrize(
    ("pages", "place"),
    [
        pytest.param([TEXT], (72, 400, 90, 60), id="small"),
        pytest.param([TEXT] * 4, PLACE, id="a logo"),
        pytest.param([[*TEXT, (80, 500, 12, "These words say what the picture shows.")]], PLACE, id="named"),
    ],
)
def test_small_pictures_logos_and_those_under_text_are_left(
    pages: list[list[Line]], place: tuple[int, int, int, int]
) -> None:
    data = with_picture(pages, dict.fromkeys(range(1, len(pages) + 1), SHOT), place)
    reader = OneLine()

    assert recognised(data, reader).recognised == ()
    assert reader.seen == []
    assert parse(data, PDF, 1 << 20).warnings == ()


def test_what_the_page_says_already_is_not_said_twice() -> None:
    document = recognised(with_picture([TEXT], {1: SHOT}, PLACE), OneLine(ABOVE))

    assert document.text.count(ABOVE) == 1
    assert document.recognised == ()


def test_where_every_page_is_recognised_its_pictures_are_not_read_again() -> None:
    reader = OneLine()

    document = recognised(with_picture([TEXT], {1: SHOT}, PLACE), reader, every_page=True)

    assert (document.text, len(reader.seen)) == (SAID, 1)


def test_pictures_for_which_there_is_no_time_are_counted() -> None:
    late = Recognition(OneLine(), 0.0)

    (warning,) = parse(with_picture([TEXT], {1: SHOT}, PLACE), PDF, 1 << 20, late).warnings

    assert (warning.kind, warning.text) == ("pictures", "1 picture on page 1 was not read")


def test_a_running_head_goes_though_a_picture_stands_below_it() -> None:
    head: list[Line] = [(72, 750, 10, "Pump manual")]
    pages = [[*head, (72, 300, 12, f"Words of part {letter}")] for letter in "abc"]
    shots = {n: encoded(Image.new("L", (600, 400), 60 * n)) for n in (1, 2, 3)}

    document = recognised(with_picture(pages, shots, (72, 320, 300, 200)), OneLine())

    assert "Pump manual" not in document.text
    assert document.text.count(SAID) == 3
