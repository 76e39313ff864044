"""What a model writes cites only passages that were shown to it, and costs no more than its length."""

import re
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.model import Answer, Hit, Passage
from rag.text.marks import without_marks
from workers.generation.prompting import NOT_FOUND, CitedText
from workers.generation.reasoning import Piece, ReasoningParser

HITS = [Hit(Passage(f"c{n}", f"d{n}", 1, n, "Quays.", "T", 0, 6), 0.5) for n in (1, 2, 3)]
MARKS = ("[1]", "[2]", "[9]", "[0]", "[passage 3]", "[1, 2]", "[1 and 3]", "[[", "]]")
WORDS = ("1", "3", "12", "٣", "and", "passage ", "Sources", "an", "d", "word", "\u00a0", "“")
TAGS = ("<think>", "</think>", NOT_FOUND[:9])
BITS = st.sampled_from((*"[](),;&. \n", *MARKS, *WORDS, *TAGS))
ANY_TEXT = st.lists(BITS | st.text(max_size=3), max_size=40).map("".join)
CUTS = st.lists(st.integers(0, 200), max_size=20)
FOUND = re.compile(r"\[\d+\]")


def pieces(text: str, cuts: list[int]) -> list[str]:
    ends = sorted({min(cut, len(text)) for cut in cuts})
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def cited(said: list[str], passages: list[Hit]) -> tuple[str, Answer]:
    """What was emitted, and the answer."""
    text = CitedText(passages)
    emitted = "".join([*map(text.feed, said), text.close()])
    return emitted, text.answer()


@given(ANY_TEXT, CUTS)
@settings(max_examples=400, deadline=None)
def test_the_answer_is_the_same_however_the_stream_is_cut(said: str, cuts: list[int]) -> None:
    emitted, answer = cited(pieces(said, cuts), HITS)

    assert (emitted, answer) == cited([said], HITS)
    assert emitted == answer.text


@given(ANY_TEXT)
@settings(max_examples=400, deadline=None)
def test_every_mark_of_an_answer_is_one_of_its_citations(said: str) -> None:
    _, answer = cited([said], HITS)

    numbers = [citation.n for citation in answer.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    assert set(FOUND.findall(answer.text)) == {f"[{n}]" for n in numbers}
    assert {citation.passage.document_id for citation in answer.citations} <= {"d1", "d2", "d3"}


@given(ANY_TEXT)
@settings(max_examples=400, deadline=None)
def test_an_answer_read_once_more_holds_no_mark_that_names_nothing(said: str) -> None:
    _, answer = cited([said], HITS)
    shown = [Hit(citation.passage, 0.5) for citation in answer.citations]

    _, again = cited([answer.text], shown)

    assert again.text == answer.text


@given(ANY_TEXT)
@settings(max_examples=400, deadline=None)
def test_a_passage_without_marks_cites_nothing(text: str) -> None:
    _, answer = cited(["x " + without_marks(text)], HITS)

    assert not FOUND.findall(answer.text)


@given(st.lists(st.builds(Piece, ANY_TEXT, reasoning=st.just("") | ANY_TEXT), max_size=8))
@settings(max_examples=200, deadline=None)
def test_thoughts_and_answers_come_apart_of_anything(said: list[Piece]) -> None:
    text = ReasoningParser(HITS, "tiny")
    for piece in said:
        text.feed(piece)
    text.close()

    numbers = {f"[{citation.n}]" for citation in text.answer().citations}
    assert set(FOUND.findall(text.answer().text)) == numbers


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("x [[9]1]", "x […1]"),
        ("x [1[9]2]", "x [1…2]"),
        ("x [1, [9] 2]", "x [1, … 2]"),
        ("x [[1]2]", "x [[1]2]"),
        ("x [Passages 1; 2 & 3]", "x [1][2][3]"),
        ("x [1 2]", "x [1][2]"),
        ("x [1,]", "x [1,]"),
        ("x [1-3]", "x [1-3]"),
        ("x [page 1]", "x [page 1]"),
        (f"x [{'9' * 5000}]", "x"),
    ],
)
def test_marks_are_read_by_their_grammar(said: str, expected: str) -> None:
    assert cited([said], HITS)[1].text == expected


@pytest.mark.parametrize(
    "unit", ["1", "[1", "1 ", "1,", " ", "[", "]", "[9]", "[passage ", "a", "“", "</think>", "<"]
)
@pytest.mark.parametrize("prefix", ["[", "[1", "", "Okay, "])
def test_a_model_costs_no_more_than_the_length_of_its_text(prefix: str, unit: str) -> None:
    """2·10⁴ characters, one a piece; ``[`` and 40 digits once took for ever."""
    text = ReasoningParser(HITS, "tiny")
    started = process_time()

    for char in prefix + unit * (20_000 // len(unit)):
        text.feed(Piece(char))
    text.close()

    assert process_time() - started < 3
