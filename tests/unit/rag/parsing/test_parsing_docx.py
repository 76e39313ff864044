"""DOCX, in this process: the parts around the main text, and tracked changes."""

import zipfile
from io import BytesIO

import pytest

from rag.errors import UnreadableDocument
from rag.parsing import docx
from tests.documents.office import docx as written

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def paragraph(*runs: str) -> str:
    return f"<w:p><w:r>{''.join(runs)}</w:r></w:p>"


def with_parts(data: bytes, **parts: str) -> bytes:
    """The file with a page head or foot more for each of ``parts``."""
    buffer = BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, content in parts.items():
            archive.writestr(f"word/{name}.xml", f"<w:part {_W}>{content}</w:part>")
    return buffer.getvalue()


def test_what_heads_and_feet_of_pages_say_is_read_once():
    same = paragraph("<w:t>Contract KP-11</w:t>", "<w:noBreakHyphen/>", "<w:t>B</w:t>")
    data = with_parts(
        written(), header1=same, header2=same, footer1=paragraph("<w:t>Room 2.07</w:t>"), footer2=paragraph()
    )

    assert docx.heads_and_feet(data) == (["Contract KP-11-B"], ["Room 2.07"])


@pytest.mark.parametrize("foot", ["3", "Page 3 of 12", "Seite 4", "2 / 9"])
def test_page_numbers_are_no_text(foot):
    data = with_parts(written(), footer1=paragraph(f"<w:t>{foot}</w:t>"))

    assert docx.heads_and_feet(data) == ([], [])


def test_text_that_was_moved_stands_at_its_new_place_only():
    moved = '<w:moveFrom w:id="1"><w:r><w:t>Kiel</w:t></w:r></w:moveFrom>'
    mark = '<w:pPr><w:rPr><w:moveFrom w:id="2"/></w:rPr></w:pPr>'
    data = written(f"<w:p>{mark}<w:r><w:t>Kept in </w:t></w:r>{moved}<w:r><w:t>Bonn</w:t></w:r></w:p>")

    with zipfile.ZipFile(BytesIO(docx.without_moved_text(data))) as archive:
        body = archive.read("word/document.xml").decode()

    assert "Kiel" not in body
    assert "Kept in" in body
    assert "Bonn" in body


def test_a_file_without_moved_text_is_left_as_it_is():
    data = written()

    assert docx.without_moved_text(data) is data


def test_a_head_that_is_no_xml_makes_the_file_unreadable():
    with pytest.raises(UnreadableDocument):
        docx.heads_and_feet(with_parts(written(), header1="<w:p>"))
