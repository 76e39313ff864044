"""Pages of PDF by where their lines stand: names of columns, rows, paragraphs."""

import pytest
from pypdfium2 import PdfDocument

from bench.fidelity import fidelity
from rag.parsing import pdf
from rag.parsing.layout import arranged
from rag.parsing.textlines import lines_of
from tests.documents.page import Line, turned, written

ROWS = [
    ("Net sales", "63,355", "63,948"),
    ("Cost of sales", "41,485", "40,899"),
    ("Margin", "21,870", "23,049"),
]
RIGHT = (300, 420, 540, 660)


def row(y: int, label: str, *figures: str) -> list[Line]:
    """A label, and figures that end about where their columns do."""
    places = zip(RIGHT, figures, strict=False)
    return [(40, y, 10, label), *((right - 5 * len(words), y, 10, words) for right, words in places)]


def rows(y: int = 600) -> list[Line]:
    return [line for n, cells in enumerate(ROWS) for line in row(y - 14 * n, *cells)]


def text_of(lines: list[Line]) -> str:
    return pdf.pdf(written([lines]), 1 << 20).text


def test_each_figure_has_the_name_of_its_column():
    head = [(270, 620, 10, "2022"), (390, 620, 10, "2021")]

    text = text_of([*head, *rows()])

    assert "Net sales; 2022: 63,355; 2021: 63,948" in text
    assert "Margin; 2022: 21,870; 2021: 23,049" in text


def test_a_head_over_two_columns_names_both():
    above = [(275, 636, 10, "Three Months Ended")]
    head = [(266, 620, 10, "June 2022"), (386, 620, 10, "June 2021")]

    text = text_of([*above, *head, *rows()])

    assert "Cost of sales; Three Months Ended June 2022: 41,485; Three Months Ended June 2021: 40,899" in text


def test_a_head_that_is_written_cell_by_cell_is_read_by_lines():
    head = [(270, 630, 10, "June"), (270, 620, 10, "2022"), (390, 630, 10, "June"), (390, 620, 10, "2021")]

    assert "Net sales; June 2022: 63,355; June 2021: 63,948" in text_of([*head, *rows()])


def test_units_are_the_caption_of_the_rows():
    head = [(270, 634, 10, "2022"), (390, 634, 10, "2021"), (300, 620, 10, "\\(In millions\\)")]

    document = pdf.pdf(written([[*head, *rows()]]), 1 << 20)

    assert "Net sales; 2022: 63,355; 2021: 63,948" in document.text
    assert document.tables[0].caption == "(In millions)"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param([(270, 620, 10, "2022")], id="over one column"),
        pytest.param([(270, 620, 10, "2022"), (390, 620, 10, "2022")], id="the same twice"),
        pytest.param([(270, 700, 10, "2022"), (390, 700, 10, "2021")], id="far above"),
        pytest.param(
            [(40, 620, 10, "A line of words that runs over all the columns of it")], id="a sentence"
        ),
    ],
)
def test_in_doubt_no_figure_has_a_name(head):
    text = text_of([*head, *rows()])

    assert "Net sales; 63,355; 63,948" in text
    assert all(words in text for *_, words in head)


def test_rows_after_labels_are_of_the_same_table():
    head = [(270, 620, 10, "2022"), (390, 620, 10, "2021")]
    more = [(40, 558, 10, "Operating expenses:"), *row(544, "Research", "6,797", "5,717")]

    assert "Research; 2022: 6,797; 2021: 5,717" in text_of([*head, *rows(), *more])


def test_a_label_that_goes_on_in_the_next_line_is_one():
    head = [(270, 620, 10, "2022"), (390, 620, 10, "2021")]
    more = [(40, 558, 10, "Selling, general"), *row(544, "and administrative", "6,012", "5,412")]

    assert "Selling, general and administrative; 2022: 6,012; 2021: 5,412" in text_of([*head, *rows(), *more])


def test_a_sign_of_a_currency_is_with_its_amount():
    head = [(270, 620, 10, "2022"), (390, 620, 10, "2021")]
    signed = [(40, 600, 10, "Net income"), (230, 600, 10, "$"), (275, 600, 10, "19.44"), (350, 600, 10, "$")]

    text = text_of([*head, *signed, (395, 600, 10, "21.74"), *rows(586)])

    assert "Net income; 2022: $ 19.44; 2021: $ 21.74" in text


def test_lines_with_a_gap_between_them_are_paragraphs():
    page = PdfDocument(written([[(40, 700 - y, 10, f"Line {y}") for y in (0, 12, 24, 60, 72)]]))[0]

    assert (
        arranged(lines_of(page.get_textpage()) or []).text == "Line 0\nLine 12\nLine 24\n\nLine 60\nLine 72"
    )


def test_what_looks_like_markup_is_no_heading():
    page = PdfDocument(written([[(40, 700, 10, "# a comment"), (40, 688, 10, "x = 1")]]))[0]

    assert arranged(lines_of(page.get_textpage()) or []).text == "    # a comment\nx = 1"


def test_words_beyond_the_edge_of_a_page_are_not_read():
    text = text_of([*rows(), (40, 900, 10, "Nobody sees this")])

    assert "Nobody" not in text


def test_a_turned_page_that_is_written_to_its_edge_has_all_its_words():
    told = "Use dry values where the thread is plated. "
    told += "The wrench must be calibrated at the end of each twelve months by"
    figures = [(40, 660 - 14 * n, 12, f"M{n}0 {n}6 Nm {n}8 Nm") for n in range(1, 5)]

    read = pdf.pdf(
        turned([*figures, (40, 590, 12, told), (40, 574, 12, "the metrology department.")]), 1 << 20
    )

    text = " ".join(read.text.split())
    assert "M20 26 Nm 28 Nm M30 36 Nm" in text
    assert "calibrated at the end of each twelve months by the metrology department." in text


def test_every_word_and_number_is_whole():
    head = [(270, 620, 10, "2022"), (390, 620, 10, "2021")]
    page = [(40, 760, 20, "Report"), (40, 700, 10, "The harbour earned 1,234.5 in May."), *head, *rows()]

    found = fidelity(written([page]))

    assert (found.lost, found.numbers > 8, found.words > 8) == ([], True, True)


def test_a_word_above_one_head_is_not_in_the_names_of_the_others():
    head = [(270, 632, 10, "Gross"), (266, 620, 10, "amount"), (392, 620, 10, "Net")]
    more = [
        row(600 - 14 * n, label, "63,355", "41,485", "21,870")
        for n, label in enumerate(("Patents", "Licences", "Goods"))
    ]

    text = text_of([*head, (510, 620, 10, "Tax"), *(line for lines in more for line in lines)])

    assert "Patents; Gross amount: 63,355; Net: 41,485; Tax: 21,870" in text
