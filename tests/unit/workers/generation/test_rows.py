"""Rows of tables in words: the cells that answer."""

import pytest

from workers.generation.rows import Cell, asked_cells, asks_and_answers, cells_of, is_of_another
from workers.generation.words import content_words

ROW = "Name: Tuva Lund; Room: 2.171; Badge: B71665; Deputy: Carla Adler"


def answering(row: str, question: str) -> list[str]:
    chosen = asked_cells(cells_of(row), content_words(question), content_words)
    return [f"{cell.name}: {cell.value}" for cell in chosen]


def test_a_column_is_asked_for_by_its_name() -> None:
    assert answering(ROW, "What is the badge number of Tuva Lund?") == ["Name: Tuva Lund", "Badge: B71665"]


def test_a_row_is_whole_where_no_column_is_named() -> None:
    assert "; ".join(answering(ROW, "Who is Tuva Lund?")) == ROW


def test_a_row_is_named_by_any_of_its_cells() -> None:
    assert answering(ROW, "In which room is the one with badge B71665?") == [
        "Name: Tuva Lund",
        "Room: 2.171",
        "Badge: B71665",
    ]


def test_a_measure_asks_for_its_column() -> None:
    row = "Vegetable: Beetroot; Depth cm: 3; Spacing cm: 10"

    assert answering(row, "How deep do I sow beetroot?") == ["Vegetable: Beetroot", "Depth cm: 3"]


def test_the_lines_of_a_record_are_cells_too() -> None:
    assert cells_of("host: node-7\nevent: link down") == [Cell("host", "node-7"), Cell("event", "link down")]


@pytest.mark.parametrize(
    "text", ["", "Name: Ada", "Take it; leave it.", "He said: go; she said no", "a: b\nc"]
)
def test_other_texts_have_no_cells(text: str) -> None:
    assert cells_of(text) == []


@pytest.mark.parametrize(
    "row",
    [
        "question: How do I block my card?; answer: Call 555.; updated: 2024-02-01",
        "Frage: How do I block my card?; Antwort: Call 555.",
        "topic: How do I block my card?; text: Call 555.",
        "issue: block a lost card; solution: Call 555.",
    ],
)
def test_the_answer_of_a_row_is_the_half_that_the_question_is_not(row: str) -> None:
    pair = asks_and_answers(cells_of(row), content_words("How do I block a lost card?"), content_words)

    if row.startswith("issue"):
        assert pair is None  # three words are too few to be a question
    else:
        assert pair is not None
        assert pair[1].value == "Call 555."


def test_a_row_of_another_is_known() -> None:
    row = cells_of("Name: Sven Koch; Deputy: Xaver Nagel")

    assert is_of_another(row, "Who is the deputy of Xaver Nagel?")
    assert not is_of_another(row, "Who is the deputy of Sven Koch?")
    assert not is_of_another(row, "Whose deputy is Xaver Nagel?")
