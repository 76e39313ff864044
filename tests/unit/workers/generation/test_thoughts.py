"""Reasoning and answer, told apart however a model's text comes."""

import pytest

from rag.model import Hit, Passage
from workers.generation.reasoning import Piece, ReasoningParser

TEXT = "The Eiffel Tower was completed in 1889."
HITS = (Hit(Passage("c", "d", 1, 0, TEXT, "Tower", 0, len(TEXT)), 0.9),)


def written(text: ReasoningParser, pieces: list[Piece]) -> str:
    return "".join([*map(text.feed, pieces), text.close()])


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("said", "answer", "reasoning"),
    [
        ("In 1889 [1].", "In 1889 [1].", ""),
        ("1889 [1]", "1889 [1]", ""),
        ("<think>\nHm [7]. 1889?\n</think>\n\nIn 1889 [1].", "In 1889 [1].", "Hm [7]. 1889?"),
        ("\n <THINK>Hm</THINK>In 1889 [1].", "In 1889 [1].", "Hm"),
        ("<think></think>In 1889 [1].", "In 1889 [1].", ""),
        ("Okay, the user asks [1].\n</think>\n\nIn 1889 [1].", "In 1889 [1].", "Okay, the user asks [1]."),
        ("So, in 1889.</think>In 1889 [1].", "In 1889 [1].", "So, in 1889."),
        ("Okay, it was in 1889 [1].", "Okay, it was in 1889 [1].", ""),
        ("a < b </thin> [1] <", "a < b < /thin> [1] <", ""),
        ("In 1889 [1]. <think>Sure?</think>Yes.", "In 1889 [1]. Yes.", "Sure?"),
    ],
)
def test_inline_thoughts_are_kept_apart(said: str, answer: str, reasoning: str, size: int) -> None:
    text = ReasoningParser(HITS, "tiny")
    pieces = [Piece(said[i : i + size]) for i in range(0, len(said), size)]

    emitted = written(text, pieces)

    assert emitted == text.answer().text == answer
    assert text.answer().reasoning == reasoning


def test_a_field_for_thoughts_leaves_the_text_as_it_is() -> None:
    text = ReasoningParser(HITS, "deepseek-r1:7b")
    text.feed(Piece(reasoning="Okay, "))
    text.feed(Piece(reasoning="1889."))

    assert text.feed(Piece("In 1889 was it ")) == "In 1889 was it"
    assert written(text, [Piece("[1].")]) == " [1]."
    assert text.answer().reasoning == "Okay, 1889."


def test_a_text_of_a_model_that_thinks_waits_for_the_end_of_its_thoughts() -> None:
    text = ReasoningParser(HITS, "deepseek-r1:7b")

    assert text.feed(Piece("The tower was completed in 1889, as passage 1 says. ")) == ""
    assert written(text, [Piece("</think>In 1889 [1].")]) == "In 1889 [1]."
    assert text.answer().reasoning == "The tower was completed in 1889, as passage 1 says."


def test_thoughts_that_nothing_announced_are_no_part_of_the_answer() -> None:
    text = ReasoningParser(HITS, "tiny")
    text.feed(Piece("The passages name a year. "))

    assert written(text, [Piece("It is 1889.</think>"), Piece("In 1889 [1].")]) == "In 1889 [1]."
    assert text.answer().text == "In 1889 [1]."
    assert text.answer().reasoning == "The passages name a year. It is 1889."


@pytest.mark.parametrize(("model", "said"), [("tiny", "<think>Hm"), ("qwq:32b", "The passages name a year")])
def test_thoughts_that_never_end_are_no_answer(model: str, said: str) -> None:
    text = ReasoningParser(HITS, model)

    assert written(text, [Piece(said), Piece(cut=True)]) == ""
    assert text.answer().text == ""
    assert text.answer().reasoning == said.removeprefix("<think>")
