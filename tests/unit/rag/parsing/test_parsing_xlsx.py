"""XLSX, in this process: numbers as they are shown, comments, merged cells, tables one below the other."""

import zipfile
from io import BytesIO
from xml.sax.saxutils import escape

import pytest

from rag.errors import DocumentTooLarge, UnreadableDocument
from rag.parsing.number_formats import shown
from rag.parsing.xlsx import xlsx
from tests.documents.office import archive

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
MOST = 1 << 20


def relations(**targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}">{rows}</Relationships>'


def text(place: str, words: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(words)}</t></is></c>'


def number(place: str, value: str, style: int = 0) -> str:
    return f'<c r="{place}" s="{style}"><v>{value}</v></c>'


def workbook(rows: dict[int, str], more: str = "", **parts: str) -> bytes:
    """A file with one sheet, "Plan". ``more``: what stands behind its cells."""
    cells = "".join(f'<row r="{row}">{cells}</row>' for row, cells in rows.items())
    return archive(
        {
            "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
            '<sheet name="Plan" sheetId="1" r:id="a"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relations(
                a=("worksheet", "worksheets/sheet1.xml"),
                b=("styles", "styles.xml"),
                c=("sharedStrings", "/xl/sharedStrings.xml"),
            ),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{cells}</sheetData>{more}'
            "</worksheet>",
            **{name.replace("__", "/"): part for name, part in parts.items()},
        }
    )


def paragraphs(data: bytes) -> list[str]:
    return xlsx(data, MOST).text.split("\n\n")


def test_cells_are_read_as_they_are_shown():
    styles = (
        f'<styleSheet xmlns="{_MAIN}"><numFmts><numFmt numFmtId="164" formatCode="#,##0.00 &quot;EUR&quot;"/>'
        '</numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="9"/><xf numFmtId="14"/>'
        "</cellXfs></styleSheet>"
    )
    strings = (
        f'<sst xmlns="{_MAIN}"><si><t>Price</t></si><si><r><t>Sha</t></r><r><t>re</t></r>'
        "<rPh><t>spoken</t></rPh></si></sst>"
    )
    shared = '<c r="{}" t="s"><v>{}</v></c>'
    rows = {
        1: shared.format("A1", 0) + shared.format("B1", 1) + text("C1", "Due") + text("D1", "Open"),
        2: number("A2", "1234.5", 1) + number("B2", "0.125", 2) + number("C2", "46095", 3)
        + '<c r="D2" t="b"><v>1</v></c>',
        3: number("A3", "4.199999999999999")
        + '<c r="B3" t="e"><v>#DIV/0!</v></c><c r="C3" t="str"><f>A2</f><v></v></c>',
    }  # fmt: skip
    data = workbook(rows, **{"xl__styles.xml": styles, "xl__sharedStrings.xml": strings})

    assert paragraphs(data) == [
        "## Plan",
        "Price: 1,234.50 EUR; Share: 13%; Due: 2026-03-14; Open: TRUE",
        "Price: 4.2",
    ]


def test_formulas_without_a_value_are_shown_as_they_stand_and_counted():
    rows = {
        1: text("A1", "Item") + text("B1", "Net") + text("C1", "Gross"),
        2: text("A2", "Nut") + number("B2", "4") + '<c r="C2"><f>B2*1.2</f></c>',
        3: text("A3", "Sum") + '<c r="B3"><f>SUM(B2:B2)</f><v/></c><c r="C3"><f t="shared" si="0"/></c>',
        4: text("A4", "Known") + '<c r="B4"><f>B2+B2</f><v>8</v></c>',
    }

    document = xlsx(workbook(rows), MOST)

    assert document.text.split("\n\n")[1:] == [
        *("Item: Nut; Net: 4; Gross: =B2*1.2", "Item: Sum; Net: =SUM(B2:B2)", "Item: Known; Net: 8")
    ]
    (warning,) = document.warnings
    assert (warning.kind, warning.count) == ("parts", 3)
    assert "no stored value" in warning.text


def test_comments_stand_in_their_rows():
    comments = (
        f'<comments xmlns="{_MAIN}"><commentList><comment ref="B1"><text><t>in euro</t></text></comment>'
        '<comment ref="A2"><text><r><t>Ada:</t></r><r><t>\ndisputed</t></r></text></comment>'
        '<comment ref="A2"><text><t>[Threaded comment] use a newer program</t></text></comment>'
        '<comment ref="Z99"><text><t>alone</t></text></comment></commentList></comments>'
    )
    threaded = '<threads xmlns="t"><threadedComment ref="A3"><text>ask Bo</text></threadedComment></threads>'
    rows = {
        1: text("A1", "Item") + text("B1", "Price"),
        2: text("A2", "Nut") + number("B2", "4"),
        3: text("A3", "Bolt") + number("B3", "5"),
    }
    data = workbook(
        rows,
        **{
            "xl__worksheets___rels__sheet1.xml.rels": relations(
                x=("comments", "../comments1.xml"), y=("threadedComment", "../threadedComments/t.xml")
            ),
            "xl__comments1.xml": comments,
            "xl__threadedComments__t.xml": threaded,
        },
    )

    assert paragraphs(data) == [
        *("## Plan", "Comment on Price: in euro", "Item: Nut; Price: 4; Comment: Ada: disputed"),
        *("Item: Bolt; Price: 5; Comment: ask Bo", "Comment: alone"),
    ]


def test_merged_cells_and_heads_of_two_rows_are_filled_and_titles_are_captions():
    rows = {
        1: text("A1", "Energy report"),
        2: text("A2", "All amounts in kWh"),
        4: text("A4", "Site") + text("B4", "Quarter"),
        5: text("B5", "Q1") + text("C5", "Q2"),
        6: text("A6", "Graz") + number("B6", "4") + number("C6", "5"),
        7: number("B7", "6") + number("C7", "7"),
        9: text("A9", "Linz") + number("B9", "8") + number("C9", "9"),
        12: text("A12", "Prepared by") + text("B12", "Ada Byron"),
        13: text("A13", "Version") + number("B13", "3"),
        14: text("A14", "Room") + text("B14", "K-7"),
    }
    merged = (
        '<mergeCells><mergeCell ref="B4:C4"/><mergeCell ref="A4:A5"/><mergeCell ref="A6:A7"/></mergeCells>'
    )
    document = xlsx(workbook(rows, merged), MOST)

    assert document.text.split("\n\n")[3:] == [
        "Site: Graz; Quarter Q1: 4; Quarter Q2: 5",
        "Site: Graz; Quarter Q1: 6; Quarter Q2: 7",
        "Site: Linz; Quarter Q1: 8; Quarter Q2: 9",
        *("Prepared by: Ada Byron", "Version: 3", "Room: K-7"),
    ]
    assert document.tables[0].caption == "Energy report – All amounts in kWh"
    assert document.text[document.tables[0].start :].startswith("Site: Graz")
    assert [each.text for each in document.headings] == ["Plan"]


def test_what_looks_like_markup_in_a_cell_is_text():
    document = xlsx(workbook({1: text("A1", "# 5 | a"), 2: text("A2", "---")}), MOST)

    assert document.text == "## Plan\n\n# 5 | a\n\n---"
    assert [each.text for each in document.headings] == ["Plan"]


def test_more_text_than_is_read_is_refused():
    data = workbook({1: text("A1", "x" * 2_000)})

    with pytest.raises(DocumentTooLarge):
        xlsx(data, 1_000)


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_a_broken_part_is_unreadable(part):
    whole, cut = workbook({1: text("A1", "words")}), BytesIO()
    with zipfile.ZipFile(BytesIO(whole)) as old, zipfile.ZipFile(cut, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name)[: -20 if name == part else None])

    with pytest.raises(UnreadableDocument):
        xlsx(cut.getvalue(), MOST)


def test_a_part_that_cannot_be_unpacked_is_unreadable():
    data = bytearray(workbook({row: text(f"A{row}", f"words {row * row}") for row in range(1, 400)}))
    start = data.index(b"xl/worksheets/sheet1.xml") + 40
    data[start : start + 400] = bytes(400)

    with pytest.raises(UnreadableDocument):
        xlsx(bytes(data), MOST)


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        ("0.125", "0.0%", "12.5%"),
        ("12.5", '0.0" %"', "12.5 %"),
        ("-45.5", '#,##0.00 "EUR"', "-45.50 EUR"),
        ("-1234.5", r"_-* #,##0.00\ [$€-407]_-;\-* #,##0.00\ [$€-407]_-", "-1,234.50 €"),
        ("-5", "$#,##0.00;[Red]($#,##0.00)", "($5.00)"),
        ("0", '#,##0;-#,##0;"-"', "-"),
        ("12000000", '0.0,,"M"', "12.0M"),
        ("1.005", "0.00", "1.01"),
        ("7", "0.##", "7"),
        ("471", "00000", "00471"),
        ("1234", "0.00E+00", "1.23E+3"),
        ("7", 'General "pcs"', "7 pcs"),
        ("0.30000000000000004", "", "0.3"),
        ("12345678901234567890", "General", "12345678901234567890"),
        ("1E+100", "0.00", "1E+100"),
        ("1.5", "# ?/?", "1.5"),
        ("5551234567", "(000) 000-0000", "5551234567"),
        ("5", ";;;", "5"),
        ("46095", "DD.MM.YYYY", "2026-03-14"),
        ("46082.322916666664", "yyyy-mm-dd hh:mm", "2026-03-01 07:45"),
        ("59", "d/m/yy", "1900-02-28"),
        ("61", "d/m/yy", "1900-03-01"),
        ("1.1041666666666667", "[h]:mm", "26:30"),
        ("6.5972222222222224E-2", "h:mm", "1:35"),
        ("1e300", "yyyy", "1E+300"),
        ("words", "0.00", "words"),
    ],
)
def test_a_number_is_written_in_the_form_of_its_code(value, code, expected):
    assert shown(value, code) == expected


def test_dates_may_count_from_1904():
    assert shown("0", "yyyy-mm-dd", since_1904=True) == "1904-01-01"
