"""ODT, in this process: tables with merged cells, numbers, notes, frames, heads and feet of pages."""

import pytest

from rag.errors import DocumentTooLarge, UnreadableDocument
from rag.parsing.odt import odt
from tests.documents.office import odt as written


def cell(words: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{words}</text:p></table:table-cell>"


def row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def paragraphs(content: str, **parts: str) -> list[str]:
    return odt(written(content, **parts)).text.split("\n\n")


COVERED = "<table:covered-table-cell/>"


def test_a_cell_over_several_rows_is_read_in_each_and_moves_no_other():
    table = (
        row(cell("Site"), cell("Shift"), cell("Lead"))
        + row(cell("Graz", 'table:number-rows-spanned="2"'), cell("Early"), cell("Ada"))
        + row(COVERED, cell("Late"), cell("Bo"))
        + row(cell("Linz"), cell("Early"), cell("Cy"))
    )

    assert paragraphs(f"<table:table>{table}</table:table>") == [
        "Site: Graz; Shift: Early; Lead: Ada",
        "Site: Graz; Shift: Late; Lead: Bo",
        "Site: Linz; Shift: Early; Lead: Cy",
    ]


def test_a_head_over_several_columns_stands_before_each_name():
    heads = row(
        cell("Region", 'table:number-rows-spanned="2"'),
        cell("2024", 'table:number-columns-spanned="2"'),
        COVERED,
    ) + row(COVERED, cell("Q1"), cell("Q2"))
    table = heads + row(cell("North"), cell("1"), cell("2"))
    marked = (
        f"<table:table-header-rows>{heads}</table:table-header-rows>{row(cell('a'), cell('b'), cell('c'))}"
    )

    assert paragraphs(f"<table:table>{table}</table:table>") == ["Region: North; 2024 Q1: 1; 2024 Q2: 2"]
    assert paragraphs(f"<table:table>{marked}</table:table>") == ["Region: a; 2024 Q1: b; 2024 Q2: c"]


def test_repeated_cells_are_there_as_often():
    table = row(cell("Day"), cell("Early"), cell("Late")) + row(
        cell("Monday"), cell("Ada", 'table:number-columns-repeated="2"')
    )

    assert paragraphs(f"<table:table>{table}</table:table>") == ["Day: Monday; Early: Ada; Late: Ada"]


def test_a_table_that_claims_millions_of_cells_is_refused():
    many = row(*[cell("x", 'table:number-columns-repeated="1000000"')] * 300)

    with pytest.raises(DocumentTooLarge):
        odt(written(f"<table:table>{many}</table:table>"))


def test_headings_and_lists_have_their_numbers():
    styles = (
        '<office:styles><text:outline-style><text:outline-level-style text:level="1" style:num-format="1"/>'
        '<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/>'
        '</text:outline-style><text:list-style style:name="L"><text:list-level-style-number text:level="1" '
        'style:num-format="a" style:num-suffix=")"/><text:list-level-style-bullet text:level="2"/>'
        "</text:list-style></office:styles>"
    )
    content = (
        '<text:h text:outline-level="1">Terms</text:h><text:h text:outline-level="2">Price</text:h>'
        '<text:h text:outline-level="2">Payment</text:h><text:list text:style-name="L"><text:list-item>'
        "<text:p>by card</text:p><text:list><text:list-item><text:p>any</text:p></text:list-item></text:list>"
        "</text:list-item><text:list-item><text:p>in cash</text:p></text:list-item></text:list>"
    )

    assert paragraphs(content, styles=styles) == [
        *("# 1 Terms", "## 1.1 Price", "## 1.2 Payment", "a) by card", "- any", "b) in cash")
    ]


def test_notes_comments_and_text_boxes_are_read_once_and_deleted_text_is_not():
    content = (
        "<text:tracked-changes><text:deletion><text:p>old price</text:p></text:deletion>"
        "</text:tracked-changes>"
        '<text:p>Rent<text:s text:c="2"/>is due<text:note text:note-class="footnote"><text:note-citation>1'
        "</text:note-citation><text:note-body><text:p>Students pay less.</text:p></text:note-body>"
        "</text:note> monthly.<office:annotation><text:p>Ask Mirja.</text:p></office:annotation></text:p>"
        "<text:p>See<draw:frame><draw:text-box><text:p>Office hours 13 to 15.</text:p>"
        "</draw:text-box></draw:frame> below.</text:p>"
    )

    assert paragraphs(content) == [
        *("Rent is due monthly.", "See below.", "Office hours 13 to 15."),
        *("Note: Students pay less.", "Comment: Ask Mirja."),
    ]


def test_what_looks_like_markup_is_text():
    content = "<text:p># 5 of `a|b`</text:p><text:p>\\\\host\\share</text:p><text:h>[x](y) __init__</text:h>"

    document = odt(written(content))

    assert document.text.split("\n\n") == ["# 5 of `a|b`", "\\\\host\\share", "# [x](y) __init__"]
    assert len(document.headings) == 1


def test_heads_and_feet_of_pages_are_read_once_without_their_numbers():
    styles = (
        "<office:master-styles><style:header><text:p>Contract KP-11</text:p></style:header>"
        "<style:header-left><text:p>Contract KP-11</text:p></style:header-left>"
        "<style:footer><text:p>Page <text:page-number>3"
        "</text:page-number></text:p></style:footer></office:master-styles>"
    )

    assert paragraphs("<text:p>Body.</text:p>", styles=styles) == ["Contract KP-11", "Body."]


def test_a_broken_part_is_unreadable():
    with pytest.raises(UnreadableDocument):
        odt(written("<text:p>"))
