"""Rows of tables and records in words, "Name: Ada; Badge: 4417": which of their cells answer a question."""

import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

_NAME = r"[^\W_][^;:\n]{0,60}"
_NEXT_CELL = re.compile(rf";\s(?={_NAME}:\s\S)|\n")
_CELL = re.compile(rf"({_NAME}):\s(\S.*)", re.DOTALL)
_LONGEST = 1_000  # characters
_QUESTIONS = frozenset(
    "question questions q frage fragen f pregunta domanda vraag вопрос 问题 質問".split()  # noqa: SIM905
)
_ANSWERS = frozenset(
    """answer answers a antwort antworten réponse respuesta risposta antwoord ответ 答案 回答
    solution lösung solución soluzione
    """.split()  # noqa: SIM905
)
_REPEATED = 0.6

Words = Callable[[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, and the name of its column."""

    name: str
    value: str


def cells_of(text: str) -> list[Cell]:
    """The cells of a row that names at least two of them; none where ``text`` is no row."""
    if len(text) > _LONGEST or ": " not in text:
        return []
    found = [_CELL.fullmatch(part.strip()) for part in _NEXT_CELL.split(text.strip())]
    if len(found) < 2 or not all(found):
        return []
    return [Cell(match[1].strip(), match[2].strip()) for match in found if match]


def asks_and_answers(
    cells: Sequence[Cell], asked: AbstractSet[str], words: Words
) -> tuple[Cell, Cell] | None:
    """The cell that repeats a question, and the one that answers it; None where the row has no such pair."""
    question = next((cell for cell in cells if _is_question(cell, asked, words)), None)
    others = [cell for cell in cells if cell is not question]
    if question is None or not others:
        return None
    named = (cell for cell in others if cell.name.casefold() in _ANSWERS)
    return question, next(named, max(others, key=lambda cell: len(cell.value)))


def asked_cells(cells: Sequence[Cell], asked: AbstractSet[str], words: Words) -> list[Cell]:
    """The first cell, the one by which the question names the row, and those that it asks for.

    All where it names no column.

    A column is asked for by its name. What stands in it cannot be the key: "the deputy of Ada" is
    not in the row whose deputy is Ada.
    """
    wanted = [cell for cell in cells if words(cell.name) & asked and not words(cell.value) <= asked]
    keys = [cell for cell in cells if words(cell.value) & asked and cell not in wanted]
    if not wanted or not keys:
        return list(cells)
    key = max(keys, key=lambda cell: len(words(cell.value) & asked))
    return [cell for n, cell in enumerate(cells) if n == 0 or cell is key or cell in wanted]


def is_of_another(cells: Sequence[Cell], question: str) -> bool:
    """Whether the row is of another: the question asks for the deputy of Ada, and in the row it is Ada."""
    asked = question.casefold()
    return any(
        f"{cell.name} {of} {cell.value}".casefold() in asked
        for cell in cells
        for of in ("of", "for", "von", "für", "de", "di", "van")
    )


def is_about(cells: Sequence[Cell], asked: AbstractSet[str], words: Words) -> bool:
    """Whether the first cell, which names the row, stands in the question."""
    return bool(cells) and bool(value := words(cells[0].value)) and value <= asked


def _is_question(cell: Cell, asked: AbstractSet[str], words: Words) -> bool:
    if cell.name.casefold() in _QUESTIONS or cell.value.endswith(("?", "？", "؟")):
        return True
    value = words(cell.value)
    return len(value) > 3 and len(value & asked) >= _REPEATED * len(value)
