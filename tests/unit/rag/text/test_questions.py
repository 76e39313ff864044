"""The part of a question that asks."""

import pytest

from rag.text.questions import core_of


@pytest.mark.parametrize(
    ("question", "core"),
    [
        (
            "Hello, I moved in last week. Could you please be so kind as to tell me what I have to pay for a "
            "lost key? Thank you very much in advance!",
            "what I have to pay for a lost key?",
        ),
        (
            "Hi there! I wanted to ask, if it's not too much trouble, how long a visa takes. Kind regards",
            "how long a visa takes.",
        ),
        (
            "Hallo, ich wollte fragen, ob Sie mir sagen könnten, wo ich parken darf? Vielen Dank!",
            "wo ich parken darf?",
        ),
        ("Buenos días, quisiera saber cuándo abre la lavandería. Gracias", "cuándo abre la lavandería."),
        ("Thanks for the help. price of AQ-100", "price of AQ-100"),
        ("Dear Sir or Madam, would that cost me anything?", "would that cost me anything?"),
        ("Sehr geehrte Frau Brandt, was kostet ein neuer Schlüssel?", "was kostet ein neuer Schlüssel?"),
    ],
)
def test_given_a_polite_question_then_its_core_is_what_it_asks(question: str, core: str) -> None:
    assert core_of(question) == core


@pytest.mark.parametrize(
    "question",
    [
        "When will the elevator work again?",
        "When was St. John's Cathedral built?",
        "How do I know whether my card is blocked?",
        "The AQ-100 is noisy. Is that normal?",
        "lost key",
        "Hello",
        "电梯什么时候修好？",
        "",
    ],
)
def test_given_a_question_without_pleasantries_then_it_stays_as_it_is(question: str) -> None:
    assert core_of(question) == question


def test_given_a_question_that_points_back_then_its_story_stays() -> None:
    asked = core_of("I have the AQ-100 and would like to know how heavy it is. Thanks!")

    assert "AQ-100" in asked


def test_given_a_greeting_before_short_questions_then_every_question_stays() -> None:
    asked = core_of("Good morning! When do you open on Sundays? And what does a ticket cost? Best regards")

    assert asked == "When do you open on Sundays? And what does a ticket cost?"
