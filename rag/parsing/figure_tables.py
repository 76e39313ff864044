"""Finds tables of figures on a PDF page, and the heads of their columns, by where words stand.

A row is a label and figures behind it; rows that follow one another, with labels between them, are a table
when their figures stand in columns. Heads are short words right above, each over one column or centred over
several. Nothing is invented: where a column has no head, or two have the same, no column has a name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rag.parsing.column_heads import Span, column_head
from rag.parsing.figures import LONGEST_LABEL, figures_of, is_row, is_year_row, label_of
from rag.parsing.textlines import Cell, Line

_MOST_LABELS = 5
"""Lines without figures that follow one another within a table."""

_ROW_GAP = 3.0
"""Times the height of a line: more blank space ends a table."""

_MOST_COLUMNS = 24
_MOST_CELLS = 100  # of a line


@dataclass(frozen=True, slots=True)
class FigureTable:
    """The lines ``first <= i < end`` of a page, as ``rows`` of a label and the figures of each column.

    ``names``: of the columns, the label's first, which is empty; () where they are in doubt. Lines of the
    head are among those of the table when they gave the names; ``captions``: their other words, as units.
    """

    first: int
    end: int
    names: tuple[str, ...]
    captions: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def figure_tables(lines: Sequence[Line]) -> Iterator[FigureTable]:
    """The tables among the lines of a page, in their order."""
    start = done = 0
    while start < len(lines):
        end = _end_of_run(lines, start)
        if table := _table(lines, start, end, done):
            yield table
            done = table.end
        start = max(end, start + 1)


def joined_rows(lines: Sequence[Line]) -> list[Line]:
    """The lines, of which those beside one another are one: PDFium parts what differs in size."""
    rows: list[Line] = []
    for line in lines:
        if rows and len(rows[-1].cells) < _MOST_CELLS and _is_beside(rows[-1], line):
            before = rows[-1]
            rows[-1] = Line(f"{before.text} {line.text}", (*before.cells, *line.cells))
        else:
            rows.append(line)
    return rows


def _is_beside(before: Line, line: Line) -> bool:
    common = min(before.top, line.top) - max(before.bottom, line.bottom)
    return common >= 0.6 * min(before.height, line.height) and line.left - before.right >= 0


def _end_of_run(lines: Sequence[Line], start: int) -> int:
    """The line after the last row of a table that may begin at ``start``; ``start`` where none does."""
    if not is_row(lines[start]) or is_year_row(lines[start]):
        return start
    end = at = start + 1
    left = figures_of(lines[start])[0].left
    while at < len(lines) and _follows(lines[at - 1], lines[at]) and at - end < _MOST_LABELS:
        if is_year_row(lines[at]):
            break
        if is_row(lines[at]):
            end = at + 1
            left = min(left, figures_of(lines[at])[0].left)
        elif len(lines[at].text) > LONGEST_LABEL or lines[at].right > left:
            break
        at += 1
    return end


def _follows(above: Line, line: Line) -> bool:
    height = max(above.height, line.height)
    return -0.5 * height <= above.bottom - line.top <= _ROW_GAP * height


def _table(lines: Sequence[Line], start: int, end: int, done: int) -> FigureTable | None:
    """The table of these lines, with the head that stands between ``done`` and ``start``."""
    rows = [line for line in lines[start:end] if is_row(line)]
    if len(rows) < 2:
        return None
    columns = _columns([figures_of(line) for line in rows])
    if columns is None:
        return None
    head = column_head(lines, start, done, columns)
    if not head.names and len(columns) < 2:
        return None
    names = ("", *head.names) if head.names else ()
    body = tuple(_body(lines[head.body : end], columns))
    return FigureTable(head.first, end, names, head.captions, body)


def _columns(rows: Sequence[Sequence[Cell]]) -> list[Span] | None:
    """The spans that the figures occupy, from left to right; None where they do not stand in columns."""
    most = max(map(len, rows))
    spans: list[Span] = []
    for left, right in sorted((cell.left, cell.right) for row in rows if len(row) == most for cell in row):
        if spans and left < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], right))
        else:
            spans.append((left, right))
    if len(spans) != most or most > _MOST_COLUMNS:
        return None
    for row in rows:
        places = [_place(cell, spans) for cell in row]
        if any(place is None for place in places) or len(set(places)) < len(places):
            return None
    return spans


def _place(cell: Cell, columns: Sequence[Span]) -> int | None:
    """The column in which a figure stands: the one with which it has most in common."""
    shared = [min(cell.right, right) - max(cell.left, left) for left, right in columns]
    best = max(range(len(columns)), key=shared.__getitem__)
    return best if shared[best] > -(cell.top - cell.bottom) else None


def _body(lines: Sequence[Line], columns: Sequence[Span]) -> Iterator[tuple[str, ...]]:
    """The rows; a label that goes on in small letters in the next row belongs to it."""
    pending = ""
    for line, below in zip_longest(lines, lines[1:]):
        if is_row(line):
            yield f"{pending} {label_of(line)}".strip(), *_placed(figures_of(line), columns)
            pending = ""
        elif below is not None and _goes_on(line, below):
            pending = f"{pending} {line.text}".strip()
        else:
            yield f"{pending} {line.text}".strip(), *[""] * len(columns)
            pending = ""


def _placed(figures: Sequence[Cell], columns: Sequence[Span]) -> list[str]:
    cells = [""] * len(columns)
    for cell in figures:
        place = _place(cell, columns)
        if place is not None:
            cells[place] = cell.text
    return cells


def _goes_on(label: Line, below: Line) -> bool:
    return is_row(below) and label_of(below)[:1].islower() and not label.text.endswith(":")
