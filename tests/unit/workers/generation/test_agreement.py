"""Whether quotes agree with what a question pins down."""

import pytest

from rag.model import Candidate, Hit, Passage
from workers.generation.agreement import agreements
from workers.generation.quotes import quotes

ANOTHER = -7.0


def agreed(question: str, text: str, title: str = "") -> float:
    """The agreement of the text's first quote."""
    passage = Passage("c", "d", 1, 0, text, title, 0, len(text))
    found = quotes([Candidate(Hit(passage, 0.9))])
    return float(agreements(question, found)[0])


@pytest.mark.parametrize(
    ("question", "text", "title"),
    [
        ("How heavy is the AQ-200S?", "The AQ-200S weighs 11 kg.", ""),
        ("How heavy is the AQ-200S?", "It weighs 11 kg.", "Aquila AQ-200S"),
        ("Which defect does version 1.2.10 fix?", "Version 1.2.10 fixes defect 235.", ""),
        ("What does annex B say?", "Annex B sets the rate.", ""),
        ("Who has order 88102?", "Order: 88102; Technician: Sunniva Aas", ""),
        ("How much may I spend in 2024?", "30 francs a day.", "Expenses 2024"),
        ("Where is the room of Tuva Lund?", "Name: Tuva Lund; Room: 2.171", ""),
        ("Which is heavier, the AQ-200 or the AQ-300?", "The AQ-300 weighs 11 kg.", ""),
        ("What is new?", "Nothing is.", ""),
        ("What did Malmo sell in January 2025?", "Branch: Malmo; Sales: 10679", "January 2025"),
        ("Who spoke on 5 March 2024?", "On 2024-03-05 the mayor spoke.", "Speeches of April 2024"),
    ],
)
def test_a_quote_agrees_that_has_what_is_pinned_or_stands_under_it(
    question: str, text: str, title: str
) -> None:
    assert agreed(question, text, title) == 0


@pytest.mark.parametrize(
    ("question", "text", "title"),
    [
        ("How heavy is the AQ-200?", "The AQ-300 weighs 11 kg.", ""),
        ("Which defect does version 1.2.1 fix?", "Version 1.2.10 fixes defect 235.", ""),
        ("What does annex B say?", "Annex C names the contact persons.", ""),
        ("Who has order 88102?", "Order: 88103; Technician: Idun Vik", ""),
        ("Where is the room of Tuva Lund?", "Name: Tuva Boll; Room: 2.171", ""),
        ("Who is the deputy of Xaver Nagel?", "Name: Sven Koch; Deputy: Xaver Nagel", ""),
    ],
)
def test_a_quote_about_another_thing_does_not(question: str, text: str, title: str) -> None:
    assert agreed(question, text, title) <= ANOTHER


def test_another_year_in_the_title_counts_against_a_quote() -> None:
    assert agreed("How much may I spend in 2024?", "30 francs a day.", "Expenses 2023") == -3


@pytest.mark.parametrize(
    ("question", "text", "title"),
    [
        ("What did Malmo sell in January 2025?", "Branch: Malmo; Sales: 18720", "December 2025"),
        ("Was verkaufte Malmö im Januar 2025?", "Filiale: Malmö; Umsatz: 18720", "Dezember 2025"),
        ("Who spoke on 5 March 2024?", "On 7 March 2024 the mayor spoke.", "Speeches"),
    ],
)
def test_another_month_or_day_counts_against_a_quote(question: str, text: str, title: str) -> None:
    assert agreed(question, text, title) <= -3


def test_what_is_absent_counts_less_than_what_contradicts() -> None:
    question = "Where does the AQ-200 stand?"

    assert ANOTHER < agreed(question, "The pump stands in the hall.") < 0
