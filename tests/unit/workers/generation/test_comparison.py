"""Questions that compare."""

import pytest

from workers.generation.comparison import comparison_of


@pytest.mark.parametrize(
    ("question", "things"),
    [
        ("What is the difference between the AQ-200 and the AQ-300?", ({"200"}, {"300"})),
        ("Which is cheaper, the day pass or the monthly pass?", ({"day"}, {"month"})),
        ("Compare the basic plan with the gold plan", ({"basic"}, {"gold"})),
        ("How do Tariff North and Tariff West differ?", ({"north"}, {"west"})),
        ("How high is the fee for adults compared to children?", ({"fee", "adult", "height"}, {"children"})),
        ("Worin unterscheiden sich Tarif Nord und Tarif West?", ({"nord"}, {"west"})),
    ],
)
def test_the_things_compared_are_known_by_their_own_words(
    question: str, things: tuple[set[str], ...]
) -> None:
    compared = comparison_of(question)

    assert compared is not None
    assert tuple(set(each) for each in compared.things) == things


def test_a_question_over_time_compares_documents() -> None:
    compared = comparison_of("How have net sales changed over time?")

    assert compared is not None
    assert compared.things == ()


@pytest.mark.parametrize("question", ["", "Who pays?", "Is it open on Monday and on Tuesday?"])
def test_other_questions_compare_nothing(question: str) -> None:
    assert comparison_of(question) is None
