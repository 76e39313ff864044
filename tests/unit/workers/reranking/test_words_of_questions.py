import pytest

from rag.model import Passage
from workers.reranking.words import MOST_AGREEMENT, agreements


def passage(text: str, title: str = "") -> Passage:
    return Passage("c", "d", 1, 0, text, title, 0, len(text))


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        (
            "Which ticket does release 3.7.3 close?",
            "Release 3.7.3 closes 12.",
            "Release 3.7.0 closes 12 and 3.",
        ),
        ("What was built on 5 March 2024?", "built on 05.03.2024", "built on 3 May 2024"),
        ("Who has 16411 files?", "Meyer has 16,411 files", "Mayer has 16,412 files"),
        ("What does HK-1007/D cost?", "HK-1007/D: 33", "KH-1007/B: 32"),
        ("What was decided in 2023?", "In 2023 it was decided.", "In 2025 it was decided."),
        ("What does the US plant make?", "The US plant makes gears.", "The plant gives us gears."),
        ("Welche Frist gilt 2024?", "2024 gilt eine Frist.", "2025 gilt eine Frist."),
    ],
)
def test_a_passage_agrees_with_what_is_written_exactly(question: str, right: str, wrong: str) -> None:
    agreeing, other = agreements(question, [passage(right), passage(wrong)], ())
    assert agreeing > other


def test_the_context_of_a_passage_counts() -> None:
    told, untold = passage("It costs 3.", "Price list 2023"), passage("It costs 3.", "Price list 2025")
    first, second = agreements("What does it cost in 2023?", [told, untold], ())
    assert first > second == 0.0


def test_many_agreements_weigh_no_more_than_the_most() -> None:
    text = "A-1 B-2 C-3 D-4 E-5"
    assert agreements(f"What are {text}?", [passage(text)], ()) == [MOST_AGREEMENT]


def test_a_question_that_pins_nothing_down_agrees_with_no_passage() -> None:
    assert agreements("how long is the notice period?", [passage("two months"), passage("2024")], ()) == [
        0,
        0,
    ]
    assert agreements("release 3.6.4", [], ()) == []
