"""DOCX, in this process: the parts around the main text, and tracked changes."""

import zipfile
from io import BytesIO

import pytest

from rag.errors import UnreadableDocument
from rag.parsing import docx, docx_body
from rag.parsing.docx_numbering import Place, numbering_of
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

    with zipfile.ZipFile(BytesIO(docx.with_shown_text(data))) as archive:
        body = archive.read("word/document.xml").decode()

    assert "Kiel" not in body
    assert "Kept in" in body
    assert "Bonn" in body


@pytest.mark.timeout(20)
def test_a_body_that_breaks_off_within_a_tag_is_read_to_its_end():
    body = b"<w:p/><w:moveFrom </"

    assert docx._cut(body, *docx._MOVED) == body


def test_a_file_that_says_all_that_it_shows_is_left_as_it_is():
    data = written()

    assert docx.with_shown_text(data) is data


def test_of_styles_those_stay_that_paragraphs_can_have():
    styles = b'<w:latentStyles w:count="1"><w:lsdException/></w:latentStyles><w:style/>'
    table_style = b'<w:style w:type="table" w:styleId="Grid"><w:name/></w:style>'

    assert docx._used(styles + table_style) == b"<w:style/>"


def test_parts_without_text_are_left_out():
    moved = '<w:moveFrom w:id="1"><w:r><w:t>Kiel</w:t></w:r></w:moveFrom>'
    data = with_parts(written(f"<w:p>{moved}</w:p>"), stylesWithEffects="<w:style/>", footnotes="<w:p/>")

    with zipfile.ZipFile(BytesIO(docx.with_shown_text(data))) as archive:
        names = archive.namelist()

    assert "word/stylesWithEffects.xml" not in names
    assert "word/footnotes.xml" in names


def test_a_head_that_is_no_xml_makes_the_file_unreadable():
    with pytest.raises(UnreadableDocument):
        docx.heads_and_feet(with_parts(written(), header1="<w:p>"))


NUMBERING = f"""<w:numbering {_W}>
<w:abstractNum w:abstractNumId="7">
<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1"/></w:lvl>
<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1.%2"/></w:lvl>
<w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="(%3)"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="8">
<w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/><w:lvlText w:val="o"/></w:lvl>
</w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="8"/>
<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>
</w:numbering>""".encode()
STYLES = f"""<w:styles {_W}>
<w:style w:styleId="Base"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
<w:style w:styleId="Deep"><w:basedOn w:val="Base"/>
<w:pPr><w:numPr><w:ilvl w:val="1"/></w:numPr></w:pPr></w:style></w:styles>""".encode()


def test_paragraphs_are_counted_by_level_list_and_style():
    numbering = numbering_of(NUMBERING, STYLES)
    asked = [
        (Place("1", 0), ""), (Place("1", 1), ""), (Place(), "Deep"), (Place("1", 2), ""), (Place("1", 2), ""),
        (Place(), "Base"), (Place(), "Deep"), (Place("0", 0), "Base"), (Place("2", 0), ""),
        (Place("2", 0), ""), (Place("2", 1), ""), (Place("3", 0), ""), (Place("3", 0), ""),
        (Place("9", 0), ""),
    ]  # fmt: skip

    numbers = [numbering.number_of(place, style) for place, style in asked]

    assert numbers == ["1", "1.1", "1.2", "(a)", "(b)", "2", "2.1", "", "III.", "IV.", "", "I.", "II.", ""]


def test_a_marked_number_takes_the_place_of_one_that_the_converter_counted():
    body = (
        '<w:p xmlns:w="w"><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr></w:pPr>'
        "<w:r><w:t>Payment</w:t></w:r></w:p>"
    )
    marked = docx_body.with_marked_numbers(body.encode(), numbering_of(NUMBERING, STYLES)).decode()
    number = marked.split("<w:t>")[1].split("</w:t>")[0]

    assert docx_body.with_numbers(f"## {number}Payment\n\n1. {number}Terms") == "## 1.1 Payment\n\n1.1 Terms"


def test_a_cell_over_several_rows_is_read_in_each():
    def row(merge: str, *texts: str) -> str:
        first = f"<w:tc><w:tcPr>{merge}</w:tcPr>{paragraph(f'<w:t>{texts[0]}</w:t>')}</w:tc>"
        return f"<w:tr>{first}<w:tc>{paragraph(f'<w:t>{texts[1]}</w:t>')}</w:tc></w:tr>"

    begins = '<w:vMerge w:val="restart"/>'
    body = (
        f"<w:tbl>{row('', 'Site', 'Shift')}{row(begins, 'Graz', '4')}"
        f"{row('<w:vMerge/>', '', '6')}{row('', 'Linz', '8')}</w:tbl>"
    )
    with zipfile.ZipFile(BytesIO(docx.with_shown_text(written(body)))) as archive:
        shown = archive.read("word/document.xml").decode()

    assert shown.count("Graz") == 2
    assert "Graz" in shown.split("<w:tr>")[3]
    assert shown.count("vMerge") == 1


def test_a_broken_main_part_is_unreadable():
    with pytest.raises(UnreadableDocument):
        docx.with_shown_text(written("<w:tbl><w:vMerge/>"))
