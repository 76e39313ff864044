"""Puts recognised lines into the order in which people read them: columns, paragraphs, rows of tables."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import atan2, cos, sin
from statistics import median

from rag.model import TextLine

_SAME_ROW = 0.5
"""Part of the lower line's height that two lines of a row have in common."""

_PARAGRAPH_GAP = 0.9
"""Times the height of a line, between two paragraphs."""

_HEADING_HEIGHT = 1.5
_LONGEST_HEADING = 100  # characters
_SHORTEST_PROSE = 20
"""Characters of a usual line in a column of prose; cells of tables are shorter."""

_TABLE_GAP = 3.0
"""Times the height of a line: more blank space ends a table."""

_MOST_LABELS = 2
"""Lines of one cell in a row within a table."""

_LONGEST_LABEL = 60  # characters
_WIDE = 0.6
"""Part of the cells of the widest row: rows with fewer say nothing about where columns are."""

_SHARE_BEFORE_SIGN = 0.7
"""Of a line that ends with the sign of the next amount."""

_CURRENCIES = frozenset(("$", "€", "£", "¥", "EUR", "USD", "CHF"))
_FEWEST_LINES = 3  # of a column
_MOST_CROSSING = 0.25
_DEEPEST = 4  # columns within columns


@dataclass(frozen=True, slots=True)
class _Box:
    """A line on the level page."""

    left: float
    top: float
    right: float
    bottom: float
    text: str

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def is_beside(self, other: "_Box") -> bool:
        common = min(self.bottom, other.bottom) - max(self.top, other.top)
        return common >= _SAME_ROW * min(self.height, other.height)


_Row = list[_Box]


def text_of(lines: Sequence[TextLine]) -> str:
    """The text of a page as Markdown: a blank line between paragraphs, rows of tables between bars."""
    boxes = _level(lines)
    if not boxes:
        return ""
    height = median(box.height for box in boxes)
    return "\n\n".join(_blocks(boxes, height, 0))


def _level(lines: Sequence[TextLine]) -> list[_Box]:
    """The lines as boxes, turned by the angle of most of the text."""
    # Every character has a vote: short lines may lie anyhow.
    slopes = [_slope(line) for line in lines for _ in line.text[:_LONGEST_HEADING]]
    angle = median(slopes) if slopes else 0.0
    across, down = cos(angle), sin(angle)
    boxes = []
    for line in lines:
        xs = [x * across + y * down for x, y in line.corners]
        ys = [y * across - x * down for x, y in line.corners]
        boxes.append(_Box(min(xs), min(ys), max(xs), max(ys), " ".join(line.text.split())))
    return boxes


def _slope(line: TextLine) -> float:
    (left, top), (right, bottom) = line.corners[:2]
    return atan2(bottom - top, right - left)


def _blocks(boxes: Sequence[_Box], height: float, depth: int) -> Iterator[str]:
    """Paragraphs and tables, those of a column before those of the next."""
    rows = _rows(boxes)
    gutter = _gutter(boxes) if depth < _DEEPEST else None
    if gutter is None:
        yield from _row_blocks(rows, height)
        return
    band: list[_Row] = []
    others: list[_Row] = []
    for row in [*rows, []]:
        if row and not any(box.left < gutter < box.right for box in row):
            band.append(row)
            continue
        left, right = _sides([box for each in band for box in each], gutter)
        if _is_prose(left) and _is_prose(right):
            yield from _row_blocks(others, height)
            yield from _blocks(left, height, depth + 1)
            yield from _blocks(right, height, depth + 1)
            others = []
        else:
            others += band
        others += [row] if row else []
        band = []
    yield from _row_blocks(others, height)


def _rows(boxes: Sequence[_Box]) -> list[_Row]:
    rows: list[_Row] = []
    for box in sorted(boxes, key=lambda each: each.middle):
        if rows and box.is_beside(rows[-1][-1]):
            rows[-1].append(box)
        else:
            rows.append([box])
    return [sorted(row, key=lambda each: each.left) for row in rows]


def _gutter(boxes: Sequence[_Box]) -> float | None:
    """Where a page is divided into columns: an x that few lines cross, as near to the middle as there is."""
    if len(boxes) < 2 * _FEWEST_LINES:
        return None
    lefts, rights = sorted(box.left for box in boxes), sorted(box.right for box in boxes)
    middle = (lefts[0] + rights[-1]) / 2
    found = []
    for place in (right + 1 for right in rights):
        before, begun = bisect_right(rights, place), bisect_left(lefts, place)
        crossing, after = begun - before, len(boxes) - begun
        if min(before, after) >= _FEWEST_LINES and crossing <= _MOST_CROSSING * len(boxes):
            found.append((crossing, abs(place - middle), place))
    return min(found)[2] if found else None


def _is_prose(boxes: Sequence[_Box], depth: int = 0) -> bool:
    """Whether these lines are columns of running text, not cells of a table."""
    if len(boxes) < _FEWEST_LINES:
        return False
    width = max(box.right for box in boxes) - min(box.left for box in boxes)
    if median(box.right - box.left for box in boxes) >= 0.5 * width:
        return median(len(box.text) for box in boxes) >= _SHORTEST_PROSE
    gutter = _gutter(boxes) if depth < _DEEPEST else None
    return gutter is not None and all(_is_prose(side, depth + 1) for side in _sides(boxes, gutter))


def _sides(boxes: Sequence[_Box], gutter: float) -> tuple[list[_Box], list[_Box]]:
    return [box for box in boxes if box.right <= gutter], [box for box in boxes if box.right > gutter]


def _row_blocks(rows: Sequence[_Row], height: float) -> Iterator[str]:
    """Neighbouring rows of several cells are a table; the others are lines of paragraphs."""
    start = 0
    while start < len(rows):
        end = _end_of_table(rows, start, height)
        if end - start > 1:
            yield _table(rows[start:end])
        else:
            end = start + 1
            while end < len(rows) and _end_of_table(rows, end, height) - end <= 1:
                end += 1
            yield from _paragraphs(rows[start:end], height)
        start = end


def _end_of_table(rows: Sequence[_Row], start: int, height: float) -> int:
    """The row after the last one of a table that begins at ``start``, which may have labels in between."""
    if len(rows[start]) == 1:
        return start
    end = at = start + 1
    while at < len(rows) and rows[at][0].top - rows[at - 1][0].bottom <= _TABLE_GAP * height:
        if len(rows[at]) > 1:
            end = at + 1
        elif at - end >= _MOST_LABELS or len(rows[at][0].text) > _LONGEST_LABEL:
            break
        at += 1
    return end


def _paragraphs(rows: Sequence[_Row], height: float) -> Iterator[str]:
    lines: list[str] = []
    for before, row in pairwise([[], *rows]):
        text = " ".join(box.text for box in row)
        is_heading = row[0].height >= _HEADING_HEIGHT * height and len(text) <= _LONGEST_HEADING
        gap = row[0].top - before[0].bottom if before else 0.0
        if lines and (gap > _PARAGRAPH_GAP * height or is_heading or lines[-1].startswith("## ")):
            yield "\n".join(lines)
            lines = []
        lines.append(f"## {text}" if is_heading else text)
    if lines:
        yield "\n".join(lines)


def _table(rows: Sequence[_Row]) -> str:
    """A Markdown table, as wide as its widest rows. A head over several columns stands in each of them."""
    rows = [_with_currencies(row) for row in rows]
    most = max(map(len, rows))
    columns = _columns([row for row in rows if len(row) >= _WIDE * most])
    head, *below = _with_one_head([_cells(row, columns) for row in rows])
    return "\n".join([_written(head), f"|{' --- |' * len(columns)}", *map(_written, below)])


def _with_one_head(rows: list[list[str]]) -> list[list[str]]:
    """The rows, of which the first ones without a label, such as months above years, are one."""
    while len(rows) > 2 and not rows[0][0] and not rows[1][0]:
        rows = [[f"{above} {below}".strip() for above, below in zip(*rows[:2], strict=True)], *rows[2:]]
    return rows


def _written(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _with_currencies(row: _Row) -> _Row:
    """The row, in which the sign of a currency is in the cell of the amount that follows it.

    The sign is no part of that cell's width: it often stands right behind the column before.
    """
    joined: _Row = []
    sign = ""
    for box in row:
        words = f"{sign} {box.text}".split()
        # The next amount's sign may have been near enough to be taken for this line's.
        sign = words.pop() if words[-1] in _CURRENCIES and box is not row[-1] else ""
        if words:
            width = (box.right - box.left) * (_SHARE_BEFORE_SIGN if sign else 1.0)
            joined.append(replace(box, right=box.left + width, text=" ".join(words)))
    return joined


def _cells(row: _Row, columns: Sequence[tuple[float, float]]) -> list[str]:
    cells = [""] * len(columns)
    for box in row:
        covered = [n for n, (left, right) in enumerate(columns) if box.left < right and left < box.right]
        places = covered if len(row) > 1 else covered[:1]
        for place in places or [_nearest(box, columns)]:
            cells[place] = f"{cells[place]} {box.text}".strip().replace("|", "/")
    return cells


def _nearest(box: _Box, columns: Sequence[tuple[float, float]]) -> int:
    """The column that begins nearest to where ``box`` does."""
    return min(range(len(columns)), key=lambda n: abs(columns[n][0] - box.left))


def _columns(rows: Sequence[_Row]) -> list[tuple[float, float]]:
    """The spans that cells of these rows occupy, from left to right."""
    spans: list[tuple[float, float]] = []
    for left, right in sorted((box.left, box.right) for row in rows for box in row):
        if spans and left < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], right))
        else:
            spans.append((left, right))
    return spans
