"""ODS, in this process: values as they are shown, merged and repeated cells, comments, several sheets."""

import pytest

from rag.errors import DocumentTooLarge, UnreadableDocument
from rag.media import ODS, media_type_of
from rag.parsing.ods import ods
from tests.documents.office import archive
from tests.documents.office import ods as written

MOST = 1 << 20
COLUMNS, ROWS = "table:number-columns-repeated", "table:number-rows-repeated"


def cell(words: str = "", attributes: str = "", more: str = "") -> str:
    paragraph = f"<text:p>{words}</text:p>" if words else ""
    return f"<table:table-cell {attributes}>{more}{paragraph}</table:table-cell>"


def value(kind: str, value: str, words: str = "", more: str = "") -> str:
    name = "value" if kind in ("float", "percentage", "currency") else f"{kind}-value"
    return cell(words, f'office:value-type="{kind}" office:{name}="{value}" {more}')


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def sheet(*rows: str, name: str = "Plan") -> str:
    return f'<table:table table:name="{name}">{"".join(rows)}</table:table>'


def paragraphs(*sheets: str) -> list[str]:
    return ods(written("".join(sheets)), MOST).text.split("\n\n")


def test_a_file_is_known_by_its_bytes() -> None:
    assert media_type_of(None, None, written()) == ODS


def test_cells_are_read_as_they_are_shown_and_dates_by_iso_8601() -> None:
    rows = (
        row(cell("Item"), cell("Share"), cell("Price"), cell("Due"), cell("Note")),
        row(
            cell("Winch"),
            value("percentage", "0.125", "12,5 %"),
            value("currency", "1234.5", "1.234,50 €", 'office:currency="EUR"'),
            value("date", "2026-03-12", "12.03.26"),
            cell("two<text:s text:c='3'/>words<text:tab/>more<text:line-break/>lines"),
        ),
        row(
            cell("Pump"),
            value("percentage", "0.07"),
            value("currency", "4.199999999999999", more='office:currency="EUR"'),
            value("date", "2026-03-12T14:30:00", "14:30"),
            value("boolean", "true"),
        ),
    )

    assert paragraphs(sheet(*rows)) == [
        "## Plan",
        "Item: Winch; Share: 12,5 %; Price: 1.234,50 €; Due: 2026-03-12; Note: two words more lines",
        "Item: Pump; Share: 7%; Price: 4.2 EUR; Due: 2026-03-12 14:30; Note: TRUE",
    ]


def test_each_sheet_has_its_name_and_its_own_rows() -> None:
    hall = sheet(row(cell("Lamps"), cell("7")), name="Hall")
    yard = sheet(row(cell("Cranes"), cell("2")), name="Yard")
    empty = sheet(row(), name="Nothing")

    assert paragraphs(hall, empty, yard) == ["## Hall", "Lamps; 7", "## Yard", "Cranes; 2"]


def test_a_cell_over_several_rows_is_read_in_each_and_what_it_covers_is_not() -> None:
    hidden = "<table:covered-table-cell><text:p>Hidden</text:p></table:covered-table-cell>"
    rows = (
        row(cell("Site"), cell("Shift"), cell("Lead")),
        row(cell("Graz", 'table:number-rows-spanned="2"'), cell("Early"), cell("Ada")),
        row(hidden, cell("Late"), cell("Bo")),
        row(cell("Linz"), cell("Early"), cell("Cy")),
    )

    assert paragraphs(sheet(*rows))[1:] == [
        "Site: Graz; Shift: Early; Lead: Ada",
        "Site: Graz; Shift: Late; Lead: Bo",
        "Site: Linz; Shift: Early; Lead: Cy",
    ]


def test_repeated_cells_and_rows_are_there_as_often_and_empty_ones_keep_the_places() -> None:
    rows = (
        row(cell("Day"), cell("Early"), cell("Late")),
        row(cell("1"), cell("7", 'table:number-columns-repeated="2"')),
        row(cell("2"), cell("", 'table:number-columns-repeated="1"'), cell("9")),
        row(cell("3"), cell("8"), cell("8"), attributes='table:number-rows-repeated="2"'),
        row(
            cell("", 'table:number-columns-repeated="16384"'),
            attributes='table:number-rows-repeated="1048000"',
        ),
        row(cell("Checked by Ada")),
    )

    assert paragraphs(sheet(*rows))[1:] == [
        "Day: 1; Early: 7; Late: 7",
        "Day: 2; Late: 9",
        "Day: 3; Early: 8; Late: 8",
        "Day: 3; Early: 8; Late: 8",
        "Checked by Ada",
    ]


def test_of_a_row_that_is_repeated_very_often_the_first_thousand_are_read() -> None:
    often = row(cell("Zero"), cell("0"), attributes='table:number-rows-repeated="1048576"')

    assert paragraphs(sheet(often)) == ["## Plan", *["Zero; 0"] * 1_000]


def test_cells_that_repeat_a_long_text_very_often_are_refused() -> None:
    often = f"{COLUMNS}='16384'"

    with pytest.raises(DocumentTooLarge):
        ods(written(sheet(row(cell("x" * 100, often)))), MOST)
    with pytest.raises(DocumentTooLarge):
        ods(
            written(sheet(*[row(cell("x", often), attributes='table:number-rows-repeated="999"')])), MOST << 9
        )


def test_comments_stand_in_their_rows_without_their_authors() -> None:
    note = (
        "<office:annotation><dc:creator xmlns:dc='http://purl.org/dc/elements/1.1/'>Bo</dc:creator>"
        "<text:p>Ask the</text:p><text:p>fitter</text:p></office:annotation>"
    )
    rows = (
        row(cell("Item"), cell("Price")),
        row(cell("Winch"), cell("425", more=note)),
        row(cell("Pump"), cell("310")),
        row(cell("", more=note)),
    )

    assert paragraphs(sheet(*rows))[1:] == [
        "Item: Winch; Price: 425; Comment: Ask the fitter",
        "Item: Pump; Price: 310",
        "Comment: Ask the fitter",
    ]


def test_formulas_are_read_as_their_values_and_shown_where_there_is_none() -> None:
    broken = 'calcext:value-type="error" table:formula="of:=1/0"'
    rows = (
        row(cell("Item"), cell("Sum"), cell("Hall")),
        row(cell("Winch"), value("float", "7", "7", 'table:formula="of:=SUM([.B2:.B9])"'), cell("A")),
        row(cell("Pump"), cell("", 'table:formula="of:=SUM([.C2:.C9])"'), cell("B")),
        row(cell("Lamp"), cell("#DIV/0!", broken), cell("C")),
    )

    document = ods(written(sheet(*rows)), MOST)

    assert document.text.split("\n\n")[1:] == [
        "Item: Winch; Sum: 7; Hall: A",
        "Item: Pump; Sum: =SUM([.C2:.C9]); Hall: B",
        "Item: Lamp; Hall: C",
    ]
    assert [(warning.kind, warning.count) for warning in document.warnings] == [("parts", 1)]


def test_words_on_drawings_stand_behind_their_sheet_and_deleted_cells_are_not_read() -> None:
    drawing = "<draw:frame><draw:text-box><text:p>Keep dry</text:p></draw:text-box></draw:frame>"
    deleted = f"<table:tracked-changes>{sheet(row(cell('Gone')))}</table:tracked-changes>"

    found = paragraphs(deleted, sheet(row(cell("Lamps"), cell("7", more=drawing))))

    assert found == ["## Plan", "Lamps; 7", "Keep dry"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(written("<table:table>"), id="broken XML"),
        pytest.param(archive({"meta.xml": "<m/>"}, mimetype=ODS), id="without its content"),
        pytest.param(written()[:300], id="cut off"),
    ],
)
def test_a_broken_file_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableDocument):
        ods(data, MOST)
