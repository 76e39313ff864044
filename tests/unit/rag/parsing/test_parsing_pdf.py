"""Pages of PDF: what one reader splits or loses, another has whole."""

import pytest

from rag.parsing import pdf, structure
from rag.parsing.kerning import Words
from rag.parsing.textlayer import Layer, compounds_of, joined
from tests.documents.page import written


def no_lines() -> None:
    """A page of which the places of words are not known."""


@pytest.mark.parametrize(
    ("split", "whole"),
    [
        ("| T otal net sales | 16,41 1 |", "| Total net sales | 16,411 |"),
        ("**T otal** of 1 17,6 62 units", "**Total** of 117,662 units"),
        ("see part I of the plan", "see part I of the plan"),
        ("a b c", "a b c"),
    ],
)
def test_pieces_that_make_a_word_of_the_page_are_joined(split, whole):
    words = "Total net sales 16,411 of 117,662 units see part I the plan a ab abc b c"

    assert Words.of(words).mend(split) == whole


def test_pieces_on_two_lines_or_in_two_cells_stay_apart():
    assert Words.of("Total").mend("T\notal | T | otal") == "T\notal | T | otal"


def test_words_that_run_together_are_parted():
    words = Words.of("unit FX-7 and the post-treatment log")

    assert words.mend("unit FX-7and the posttreatment log") == "unit FX-7 and the post-treatment log"


@pytest.mark.parametrize(
    ("divided", "whole"),
    [
        ("the treat\x02ment", "the treatment"),
        ("the treat-\r\nment", "the treatment"),
        ("the post\x02treatment log", "the post-treatment log"),
        ("we post-\npone it", "we postpone it"),
        ("a drip-\nfeed and a drip-feed", "a drip-feed and a drip-feed"),
        ("Karl-\nMarx", "Karl-Marx"),
        ("pages 3-\n5", "pages 3-\n5"),
    ],
)
def test_words_that_were_divided_at_the_end_of_a_line_are_whole(divided, whole):
    assert joined(divided) == whole


def test_a_page_of_which_a_number_was_lost_is_read_by_the_other_reader():
    layer = Layer("Balance 11,971\nNet income 2,043")

    assert pdf._mended("Balance 1,971 Net income 2,043", layer, no_lines) == layer.text
    whole = "## Balance\n\n11,971 Net income 2,043"
    assert pdf._mended(whole, layer, no_lines) == whole


def test_its_headings_stay():
    assert pdf._mended("## Assets\n\n1,971", Layer("Assets\n11,971"), no_lines) == "## Assets\n11,971"


@pytest.mark.parametrize(
    "read",
    ["Shares repurchased (1) (8) (1)", "Net income Shares repurchased 6,188", "Net income (1) (8) 6,188"],
)
def test_a_page_that_lost_a_word_or_number_is_that_of_the_text_layer(read):
    layer = Layer("Net income 6,188\nOther comprehensive loss (1)\nShares repurchased (8) (1)")

    assert pdf._mended(read, layer, no_lines) == layer.text


def test_letters_that_the_layer_has_no_names_for_are_those_of_the_other_reader():
    layer = Layer("The \x1brst de\x1bnition of the \x1ble")

    assert pdf._mended("The first definition of the file", layer, no_lines).startswith("The first definition")


def test_a_compound_of_the_document_keeps_its_hyphen_at_the_end_of_a_line():
    compounds = compounds_of(["The long-term plan.", "A hand-made lute, handmade."])

    assert joined("all long-\nterm debt", compounds) == "all long-term debt"
    assert joined("hand-\nmade", compounds) == "handmade"


def test_three_columns_are_read_one_after_the_other():
    prose = [f"{word} has four more words" for word in "abcdefghijkl"]
    lines = [(40 + 200 * (n // 4), 700 - 14 * (n % 4), 10, words) for n, words in enumerate(prose)]

    document = pdf.pdf(written([[(40, 760, 20, "News of the week"), *lines]]), 1 << 20)

    assert " ".join(document.text.split()).endswith(" ".join(prose))


def test_a_table_of_three_columns_is_read_row_by_row():
    cells = [
        (40 + 200 * column, 700 - 14 * row, 10, f"{row}.{column}") for row in range(5) for column in range(3)
    ]

    document = pdf.pdf(written([[(40, 760, 20, "Figures"), *cells]]), 1 << 20)

    assert document.text.index("0.2") < document.text.index("1.0")


def test_what_readers_noted_is_read_too():
    note = "<</Type/Annot/Subtype/Text/Rect[10 10 20 20]/Contents(Agreed with Mrs Voss)>>"
    data = written([[(40, 700, 11, "The fee is 300 euro.")]], extra=note)
    data = data.replace(b"/Contents 5 0 R", b"/Contents 5 0 R/Annots[7 0 R]")

    assert "Comment: Agreed with Mrs Voss" in pdf.pdf(data, 1 << 20).text


def test_pages_of_nothing_but_controls_make_a_document_without_text():
    document = structure.from_pages([(1, "\x00"), (2, " ")])

    assert (document.text, document.pages) == ("", ())
