"""Pages of PDF: what one reader splits or loses, another has whole."""

import pytest

from rag.parsing import pdf
from rag.parsing.kerning import join_pieces


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

    assert join_pieces(split, set(words.split())) == whole


def test_pieces_on_two_lines_or_in_two_cells_stay_apart():
    assert join_pieces("T\notal | T | otal", {"Total"}) == "T\notal | T | otal"


def test_a_page_of_which_a_number_was_lost_is_read_by_the_other_reader():
    assert (
        pdf._page("Balance 1,971", "Balance 11,971\nNet income 2,043") == "Balance 11,971\nNet income 2,043"
    )
    assert pdf._page("## Balance\n\n11,971", "Balance\n11,971") == "## Balance\n\n11,971"
