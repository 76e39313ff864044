"""Misspelt words of questions."""

import pytest

from rag.text.spelling import spelled_like

TEXTS = [
    "The caretaker lives in the village.",
    "Prescriptions are renewed; the coroutine waits..",
]


@pytest.mark.parametrize(
    ("asked", "read"),
    [
        ("who is the carteaker", "who is the caretaker"),
        ("renew perscriptions", "renew prescriptions"),
        ("is the vilage far", "is the village far"),
        ("is the villlage far", "is the village far"),
        ("is the villege far", "is the village far"),
    ],
)
def test_given_a_word_with_one_slip_then_it_is_read_as_the_passages_spell_it(asked: str, read: str) -> None:
    assert spelled_like(TEXTS, asked) == read


@pytest.mark.parametrize(
    "asked",
    [
        "who is the caretaker",  # spelt right
        "how do I write a goroutine",  # another first letter
        "Who is Vilage?",  # a name
        "how hihg is it",  # a short word
        "a trcker parks",  # two words are as near
        "code 123456",
        "",
    ],
)
def test_given_anything_else_then_the_question_stays(asked: str) -> None:
    assert spelled_like([*TEXTS, "a trucker, a tracker"], asked) == asked
