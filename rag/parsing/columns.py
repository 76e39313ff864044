"""Reads pages of three and more columns of prose in order, by the boxes of PDFium's text layer.

The recursive XY-cut (Nagy and Seth, 1984): a page is cut at the gaps that no text crosses, between columns
where there are such, else between bands one above the other, and each part again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pypdfium2 import PdfTextPage

_FEWEST_COLUMNS = 3
_FEWEST_LINES = 4
_WORDS_A_LINE = 4
_GUTTER = 8.0  # points
_WORD_GAP = 6.0  # points, between two boxes of a line
_MOST_BOXES = 400
_PARAGRAPH_GAP = 0.9  # heights of a line


@dataclass(frozen=True, slots=True)
class Box:
    """Where a run of text stands, in points from the page's lower left corner."""

    left: float
    bottom: float
    right: float
    top: float


def text_in_columns(page: PdfTextPage) -> str | None:
    """The page's text, column after column; None for a page that has not three columns of prose."""
    count = page.count_rects()
    if not 2 * _FEWEST_COLUMNS <= count <= _MOST_BOXES:
        return None
    boxes = list(_lines(Box(*page.get_rect(index)) for index in range(count)))
    parts = list(_parts(boxes))
    if not any(len(columns) >= _FEWEST_COLUMNS and all(map(_is_long, columns)) for columns in parts):
        return None
    texts = [[_words(page, line) for line in column] for columns in parts for column in columns]
    long = [lines for lines in texts if len(lines) >= _FEWEST_LINES]
    if any(sum(len(line.split()) for line in lines) < _WORDS_A_LINE * len(lines) for lines in long):
        return None  # a table
    columns = (column for columns in parts for column in columns)
    return "\n\n".join(
        "".join(_paragraphs(column, lines)) for column, lines in zip(columns, texts, strict=True)
    )


def _lines(boxes: Iterator[Box]) -> Iterator[Box]:
    """Boxes that follow one another on a line, as one."""
    last: Box | None = None
    for box in boxes:
        if last and abs(box.bottom - last.bottom) < 4 and -2 < box.left - last.right < _WORD_GAP:
            last = Box(last.left, min(last.bottom, box.bottom), box.right, max(last.top, box.top))
            continue
        if last:
            yield last
        last = box
    if last:
        yield last


def _parts(boxes: Sequence[Box]) -> Iterator[list[list[Box]]]:
    """The bands of the page from top to bottom, each with its columns from left to right."""
    pending = [list(boxes)]
    while pending:
        part = pending.pop()
        columns = _columns(part)
        bands = [] if len(columns) > 1 else _bands(sorted(part, key=lambda box: -box.top))
        if len(bands) > 1:
            pending += reversed(bands)
        else:
            yield [sorted(column, key=lambda box: -box.top) for column in columns]


def _columns(boxes: Sequence[Box]) -> list[list[Box]]:
    columns: list[list[Box]] = []
    reach = float("-inf")
    for box in sorted(boxes, key=lambda box: box.left):
        if box.left - reach >= _GUTTER:
            columns.append([])
        columns[-1].append(box)
        reach = max(reach, box.right)
    return columns


def _bands(boxes: Sequence[Box]) -> list[list[Box]]:
    """The two parts above and below the widest gap between lines; one part where there is no gap."""
    floors, floor = [], float("inf")
    for box in boxes:
        floors.append(floor - box.top)
        floor = min(floor, box.bottom)
    gap, index = max((gap, index) for index, gap in enumerate(floors[1:], 1)) if len(boxes) > 1 else (0.0, 0)
    return [list(boxes[:index]), list(boxes[index:])] if gap > 0 else [list(boxes)]


def _is_long(column: Sequence[Box]) -> bool:
    return len(column) >= _FEWEST_LINES


def _words(page: PdfTextPage, line: Box) -> str:
    return " ".join(page.get_text_bounded(line.left, line.bottom, line.right, line.top).split())


def _paragraphs(column: Sequence[Box], lines: Sequence[str]) -> Iterator[str]:
    """The words of the lines; a blank line where the gap above one is wide."""
    above: Box | None = None
    for box, words in zip(column, lines, strict=True):
        if above:
            yield "\n\n" if above.bottom - box.top > _PARAGRAPH_GAP * (box.top - box.bottom) else "\n"
        yield words
        above = box
