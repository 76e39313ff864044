"""Tells which cells of a page's lines are figures, and which lines are rows of a label and figures."""

import re

from rag.parsing.textlines import Cell, Line

LONGEST_LABEL = 120  # characters
_FIGURE = re.compile(
    r"(?:(?:(?:US)?[$€£¥]|EUR|USD|CHF) ?)?"
    r"(?:[-+–−(]{0,2} ?[$€£¥]?\d[\d.,']{0,30} ?[%)]{0,2} ?(?:[%€£¥]|bps|pts|x)?|[-—–]{1,3} ?%?|N/A|n/a|NM)"
)
_YEAR = re.compile(r"(?:FY ?)?(?:19|20)\d\d")


def is_figure(cell: Cell) -> bool:
    return _FIGURE.fullmatch(cell.text) is not None


def figures_of(line: Line) -> tuple[Cell, ...]:
    """The figures at the end of a line."""
    first = len(line.cells)
    while first and is_figure(line.cells[first - 1]):
        first -= 1
    return line.cells[first:]


def label_of(line: Line) -> str:
    """What stands before the figures at the end of a line."""
    return " ".join(cell.text for cell in line.cells[: len(line.cells) - len(figures_of(line))])


def is_row(line: Line) -> bool:
    """Whether the line is a label with figures behind it, or several figures."""
    figures = figures_of(line)
    counts = len(figures) > 1 or any(map(str.isdigit, "".join(cell.text for cell in figures)))
    return counts and len(line.cells) > 1 and len(label_of(line)) <= LONGEST_LABEL


def is_year(cell: Cell) -> bool:
    return _YEAR.fullmatch(cell.text) is not None


def is_year_row(line: Line) -> bool:
    """Whether the line has nothing but years, as a table's head does."""
    return all(map(is_year, line.cells))
