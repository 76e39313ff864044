"""Finds the names of a table's columns in the lines above its rows, by where they stand."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from rag.parsing.figures import is_figure, is_year
from rag.parsing.textlines import Cell, Line

_LONGEST_HEAD = 60  # characters
_HEAD_GAP = 2.5
"""Times the height of a line: more blank space above a level of the head, or above the rows, ends it."""

_DEEPEST_HEAD = 16  # heights of a line
_MOST_HEADS = 60  # cells
_OFF_CENTRE = 0.3
"""Part of the distance between columns by which a head may stand beside their middle."""

_OFF_EDGE = 0.2
_DOUBT = 0.15
"""Part of that distance: what fits worse than the best by more is not meant."""

_NOTE = re.compile(r"\(.*\)")

Span = tuple[float, float]
Group = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ColumnHead:
    """The lines from ``first`` on are a head that gives ``names``, and ``captions``: units, titles of rows.

    The lines from ``body`` on, right above the rows, are labels.
    """

    first: int
    body: int
    names: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()


def column_head(lines: Sequence[Line], start: int, done: int, columns: Sequence[Span]) -> ColumnHead:
    """The head between the lines ``done`` and ``start``, where rows begin. In doubt it has no names."""
    reach = _reach(columns, lines[start].height)
    body = start
    while body > done and _is_label(lines, body - 1, columns, reach):
        body -= 1
    first = _first_of_head(lines, body, done, columns, reach)
    cells = [cell for line in lines[first:body] for cell in line.cells]
    levels = _levels([cell for cell in cells if cell.left >= reach[0]])
    used, names = _names(levels, columns, lines[body].top)
    if not all(names) or len(set(names)) < len(names):
        return ColumnHead(body, body)
    top = max(cell.bottom for cell in used) + 1
    while first < body and lines[first].bottom >= top:
        first += 1
    others = [cell for line in lines[first:body] for cell in line.cells if cell not in used]
    return ColumnHead(first, body, tuple(names), tuple(cell.text for cell in others))


def _is_label(lines: Sequence[Line], at: int, columns: Sequence[Span], reach: Span) -> bool:
    line, below = lines[at], lines[at + 1]
    near = -0.5 * line.height <= line.bottom - below.top <= line.height
    is_left = line.left < reach[0] and line.right <= columns[0][0]
    return near and is_left and len(line.text) <= 2 * _LONGEST_HEAD


def _first_of_head(lines: Sequence[Line], body: int, done: int, columns: Sequence[Span], reach: Span) -> int:
    """The highest line above ``body`` that may be of its head."""
    first = body
    height, floor = lines[body].height, lines[body].top
    while first > done and body - first < _MOST_HEADS:
        line = lines[first - 1]
        above = line.bottom - floor
        if not -0.5 * height <= above <= _DEEPEST_HEAD * height or not _is_within(line, columns, reach):
            break
        first -= 1
    return first


def _is_within(line: Line, columns: Sequence[Span], reach: Span) -> bool:
    """Whether each cell is short, and stands over the figures, or left of them as a caption of the labels."""
    return line.right > reach[0] and all(
        len(cell.text) <= _LONGEST_HEAD
        and (is_year(cell) or not is_figure(cell))
        and (cell.right <= columns[0][0] or (reach[0] <= cell.left and cell.right <= reach[1]))
        for cell in line.cells
    )


def _reach(columns: Sequence[Span], height: float) -> Span:
    """How far to the left and right a head of these columns may stand."""
    pitch = _pitch(columns)
    left = min(columns[0][0] - 2 * height, columns[0][1] - pitch)
    return left, columns[-1][1] + max(2 * height, 0.5 * pitch)


def _pitch(columns: Sequence[Span]) -> float:
    """The usual distance between two columns."""
    if len(columns) == 1:
        return columns[0][1] - columns[0][0]
    return median(after[1] - before[1] for before, after in pairwise(columns))


def _names(
    levels: Sequence[Sequence[Cell]], columns: Sequence[Span], floor: float
) -> tuple[list[Cell], list[str]]:
    """The cells of the lowest levels, and what they call each column.

    The first level that does not stand over columns, or is far above, ends the head. One of nothing but
    units names no column.
    """
    names = [""] * len(columns)
    used: list[Cell] = []
    for level in levels:
        covers = _covers(level, columns)
        if level[0].bottom - floor > _HEAD_GAP * (level[0].top - level[0].bottom):
            break
        floor = level[0].top
        if all(_NOTE.fullmatch(cell.text) for cell in level):
            continue
        if covers is None:
            break
        used += level
        for cell, (first, end) in zip(level, covers, strict=True):
            for column in range(first, end):
                names[column] = f"{cell.text} {names[column]}".strip()
    return used, names


def _levels(cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells of a head by the lines in which they stand, the lowest line first."""
    levels: list[list[Cell]] = []
    for cell in sorted(cells, key=lambda each: each.bottom):
        if levels and cell.bottom - levels[-1][0].bottom < 0.5 * (cell.top - cell.bottom):
            levels[-1].append(cell)
        else:
            levels.append([cell])
    return [sorted(level, key=lambda each: each.left) for level in levels]


def _covers(level: Sequence[Cell], columns: Sequence[Span]) -> list[Group] | None:
    """The columns over which each cell of a level stands; None where that is not clear.

    The cells of a level mostly have the same number of columns each; else each stands where it fits best.
    """
    if len(level) > len(columns):
        return None
    fits = [_fits(cell, columns) for cell in level]
    for size in range(len(columns) // len(level), 1, -1):
        alike = [[group for group in groups if group[1] - group[0] == size] for groups in fits]
        if all(alike) and _are_apart(found := [groups[0] for groups in alike]):
            return found
    found = [_likeliest(cell, groups, columns) for cell, groups in zip(level, fits, strict=True) if groups]
    return found if all(fits) and _are_apart(found) else None


def _likeliest(cell: Cell, groups: Sequence[Group], columns: Sequence[Span]) -> Group:
    """The one column over which a narrow head stands; else the group that fits best."""
    narrow = cell.right - cell.left < _pitch(columns)
    return next((group for group in groups if narrow and group[1] - group[0] == 1), groups[0])


def _are_apart(groups: Sequence[Group]) -> bool:
    return all(before[1] <= after[0] for before, after in pairwise(groups))


def _fits(cell: Cell, columns: Sequence[Span]) -> list[Group]:
    """The columns over whose middle ``cell`` may stand, or over an edge of one; the likeliest first."""
    pitch = _pitch(columns)
    found: list[tuple[float, Group]] = []
    for first in range(len(columns)):
        for end in range(first + 1, len(columns) + 1):
            left, right = columns[first][0], columns[end - 1][1]
            alone = end - first == 1
            # Figures stand at the right of their column, which is wider than they are.
            widest = min(left, right - pitch) if alone else left
            aside = min(abs(cell.left + cell.right - edge - right) / 2 for edge in (left, widest))
            edge = min(abs(cell.left - left), abs(cell.right - right))
            if aside <= _OFF_CENTRE * pitch or (alone and edge <= _OFF_EDGE * pitch):
                found.append((aside, (first, end)))
    return [group for aside, group in sorted(found) if aside <= min(found)[0] + _DOUBT * pitch]
