"""Tables of Markdown, HTML and PDF in words: a paragraph a row, each cell after the name of its column."""

import pytest

from rag.parsing.markdown_tables import TableWriter
from rag.parsing.structure import from_escaped, from_markdown, from_pages
from rag.parsing.webpage import from_html


def table(*rows: str) -> str:
    return "\n".join(
        (f"| {rows[0]} |", f"|{'---|' * (rows[0].count('|') + 1)}", *(f"| {row} |" for row in rows[1:]))
    )


def written(markdown: str, *, stated: bool = False) -> list[str]:
    return TableWriter(stated=stated).write(markdown)[0].split("\n\n")


def test_each_cell_is_read_with_its_name():
    markdown = f"Before.\n\n{table('**Name** | Badge', 'Ada | 4417', 'Bo | 4418')}\n\nAfter."

    assert written(markdown) == ["Before.", "Name: Ada; Badge: 4417", "Name: Bo; Badge: 4418", "After."]


@pytest.mark.parametrize(
    "markdown",
    [
        "a | b\nno rule below",
        "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```",
        "    | a | b |\n    |---|---|\n    | 1 | 2 |",
        "| a | b |\n|---|\n| 1 | 2 |",
    ],
)
def test_what_is_no_table_stays(markdown):
    assert TableWriter().write(markdown) == (markdown, ())


def test_names_that_are_stated_may_be_numbers_and_repeat():
    rows = table("Year | 1 | 1", "Graz | 4 | 5")

    assert written(rows, stated=True) == ["Year: Graz; 1: 4; 1: 5"]


def test_no_names_are_invented():
    assert written(table("Term debt | 99,627 | 98,959", "Cash | 20,535 | 23,646")) == [
        "Term debt; 99,627; 98,959",
        "Cash; 20,535; 23,646",
    ]


def test_a_key_and_value_table_is_read_as_pairs():
    rows = ("Contract | KP-11", "Start | 2024-01-02", "Owner | Ada Byron")

    assert written(table(*rows)) == ["Contract: KP-11", "Start: 2024-01-02", "Owner: Ada Byron"]
    assert written(table(" | ", *rows)) == ["Contract: KP-11", "Start: 2024-01-02", "Owner: Ada Byron"]


def test_signs_in_columns_of_their_own_stand_at_their_numbers():
    rows = table(
        "Item |  | 2022 |  |  | 2021 |", "Income | $ | 57 |  | $ | 64 |", "Loss |  | (12 | ) |  | 5 | %"
    )

    assert written(rows) == ["Item: Income; 2022: $ 57; 2021: $ 64", "Item: Loss; 2022: (12); 2021: 5%"]


def test_a_bar_within_a_cell_is_text():
    assert written(table("Key | Use", "a \\| b | or")) == ["Key: a | b; Use: or"]


def test_what_stands_right_above_a_table_is_its_caption():
    rows = table("Valve | bar", "V1 | 10", "V2 | 11")
    document = from_markdown(
        f"# Valves\n\nA long story. {'Words. ' * 40}\n\nTable 3\n\n*(in bar)*\n\n{rows}\n\nEnd."
    )

    (found,) = document.tables

    assert found.caption == "Table 3 – (in bar)"
    assert document.text[found.start :].startswith("Valve: V1; bar: 10\n\n")
    assert document.text[found.last :].startswith("Valve: V2; bar: 11\n\nEnd.")


def test_places_are_right_after_escapes_are_gone():
    rows = table("A\\_b | c", "1\\. Mai | 2", "x | 3")
    document = from_escaped(f"# H\\_1\n\nText\\!\n\n{rows}")

    (found,) = document.tables

    assert document.text[found.start :] == "A_b: 1. Mai; c: 2\n\nA_b: x; c: 3"
    assert document.text[found.last :] == "A_b: x; c: 3"


def test_a_table_that_goes_on_over_a_page_keeps_its_names():
    names, first, rest = "Name | Room", ("Ada | 1.100", "Bo | 2.101"), ("Cy | 3.102", "Di | 4.103")
    document = from_pages([(1, table(names, *first)), (2, table(*rest)), (3, table(names, "Ed | 5"))])

    assert document.text.split("\n\n") == [
        *("Name: Ada; Room: 1.100", "Name: Bo; Room: 2.101", "Name: Cy; Room: 3.102"),
        *("Name: Di; Room: 4.103", "Name: Ed; Room: 5"),
    ]
    assert [document.text[each.start :][:8] for each in document.tables] == [
        "Name: Ad",
        "Name: Cy",
        "Name: Ed",
    ]


def test_another_table_on_the_next_page_has_its_own_names():
    document = from_pages(
        [(1, table("Name | Room", "Ada | 1.100")), (2, table("Product | Price", "Nut | 4"))]
    )

    assert document.text.endswith("Product: Nut; Price: 4")


def test_merged_cells_of_a_page_are_filled():
    page = """<table><caption>Prices in euro</caption>
    <tr><th rowspan="2">Zone</th><th colspan="2">Weekday</th></tr><tr><th>Day</th><th>Night</th></tr>
    <tr><td rowspan="2">North</td><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr>
    <tr><td colspan="3">Islands</td></tr><tr><td>South</td><td colspan="2">9</td></tr></table>"""
    document = from_html(page)

    assert document.text.split("\n\n")[1:] == [
        "Zone: North; Weekday Day: 1; Weekday Night: 2",
        "Zone: North; Weekday Day: 3; Weekday Night: 4",
        "Islands",
        "Zone: South; Weekday Day: 9; Weekday Night: 9",
    ]
    assert [each.caption for each in document.tables] == ["Prices in euro", "Islands"]


def test_spans_without_measure_cost_nothing():
    page = (
        '<table><tr><td rowspan="65534" colspan="1000">a</td></tr>'
        + "<tr><td>b</td></tr>" * 3_000
        + "</table>"
    )

    assert from_html(page).text.startswith("a")


def test_names_of_rows_are_read_as_pairs():
    page = (
        "<table><tr><th>Name</th><td>Ada</td></tr><tr><th>Badge</th><td>4417</td></tr>"
        "<tr><th>Site</th><td>Graz</td></tr></table>"
    )

    assert from_html(page).text.split("\n\n") == ["Name: Ada", "Badge: 4417", "Site: Graz"]
