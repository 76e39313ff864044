"""EPUB, in this process: chapters in their order, tables with merged cells."""

import pytest

from rag.errors import DocumentTooLarge, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import epub as parser
from rag.parsing.inner_pictures import InnerPictures
from tests.documents.corpus.archives import entry, rebuild
from tests.documents.office import epub as written

MOST = 1 << 20


def epub(data: bytes, max_text_bytes: int) -> ParsedDocument:
    return parser.epub(data, max_text_bytes, InnerPictures(lambda _: b""))


def test_a_cell_over_several_rows_is_read_in_each():
    table = (
        "<table><tr><th>Site</th><th>Shift</th></tr><tr><td rowspan='2'>Graz</td><td>Early</td></tr>"
        "<tr><td>Late</td></tr></table><p>See [x](y), 1. Mai.</p>"
    )

    text = epub(written(table), MOST).text

    assert "Site: Graz; Shift: Early\n\nSite: Graz; Shift: Late\n\nSee [x](y), 1. Mai." in text


def test_chapters_come_in_the_order_of_the_book():
    data = written()
    book = entry(data, "book.opf")
    swapped = book.replace(
        '<itemref idref="a"/><itemref idref="b"/>', '<itemref idref="b"/><itemref idref="a"/>'
    )

    headings = [each.text for each in epub(data, MOST).headings]
    turned = [each.text for each in epub(rebuild(data, {"book.opf": swapped.encode()}), MOST).headings]

    assert len(headings) == 2
    assert turned == headings[::-1]


def test_a_book_without_chapters_is_unreadable():
    data = written()
    empty = entry(data, "book.opf").replace("itemref", "other")

    with pytest.raises(UnreadableDocument):
        epub(rebuild(data, {"book.opf": empty.encode()}), MOST)


def test_a_book_of_too_much_text_is_refused():
    with pytest.raises(DocumentTooLarge):
        epub(written("<p>" + "many words " * 50 + "</p>"), 100)
