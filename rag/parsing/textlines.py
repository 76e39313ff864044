"""The lines of a PDF page and where their cells stand, as PDFium's text layer has them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from pypdfium2 import PdfTextPage
from pypdfium2.raw import FS_RECTF, FPDFText_GetCharIndexFromTextIndex, FPDFText_GetLooseCharBox

_LINE = re.compile("[^\r\n\x02\ufffe]+[\x02\ufffe]?")
_WORD = re.compile(r"\S+")
_MOST_WORDS = 8_000
_CELL_GAP = 0.9
"""Times the height of a line: more blank space than this parts two cells."""

_SIGNS = frozenset(("$", "€", "£", "¥", "US$", "EUR", "USD", "CHF"))
_MOST_UPRIGHT = 0.2
"""Part of the words that may run up or down the page: the places of the others are then right."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Words of a line that stand together, in points from the page's lower left corner."""

    left: float
    bottom: float
    right: float
    top: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """``text`` as it is written, and the same in ``cells``, which wide gaps part."""

    text: str
    cells: tuple[Cell, ...]

    @property
    def left(self) -> float:
        return min(cell.left for cell in self.cells)

    @property
    def right(self) -> float:
        return max(cell.right for cell in self.cells)

    @property
    def top(self) -> float:
        return max(cell.top for cell in self.cells)

    @property
    def bottom(self) -> float:
        return min(cell.bottom for cell in self.cells)

    @property
    def height(self) -> float:
        return median(cell.top - cell.bottom for cell in self.cells)


def lines_of(page: PdfTextPage) -> list[Line] | None:
    """The lines in the order of the file; None where the places of words say nothing.

    That is so on pages of too many words, and on those that are turned.
    """
    text = page.get_text_range()
    index_of = _indexes(page, text)
    lines = []
    words = turned = 0
    for line in _LINE.finditer(text):
        boxes = [_box(page.raw, index_of, word) for word in _WORD.finditer(text, *line.span())]
        if not boxes:
            continue
        words += len(boxes)
        turned += sum(
            len(box.text) > 3 and box.top - box.bottom > 2 * (box.right - box.left) for box in boxes
        )
        if words > _MOST_WORDS:
            return None
        lines.append(Line(line[0].strip(), tuple(_cells(boxes))))
    return lines if turned <= _MOST_UPRIGHT * words else None


def _indexes(page: PdfTextPage, text: str) -> Callable[[int], int]:
    """From places in ``text`` to those of the characters on the page, some of which the text has not."""
    if page.count_chars() == len(text):
        return int
    handle = page.raw  # looked up once: pypdfium2 does so at each call, thousands of times a page
    return lambda place: max(0, FPDFText_GetCharIndexFromTextIndex(handle, place))


def _box(handle: Any, index_of: Callable[[int], int], word: re.Match[str]) -> Cell:
    first, last = FS_RECTF(), FS_RECTF()
    FPDFText_GetLooseCharBox(handle, index_of(word.start()), first)
    FPDFText_GetLooseCharBox(handle, index_of(word.end() - 1), last)
    return Cell(
        min(first.left, last.left),
        min(first.bottom, last.bottom),
        max(first.right, last.right),
        max(first.top, last.top),
        word[0],
    )


def _cells(words: list[Cell]) -> Iterator[Cell]:
    """The words joined to cells. The sign of a currency is in the cell of the amount that follows it."""
    cell, is_sign = words[0], words[0].text in _SIGNS
    for word in words[1:]:
        gap = word.left - cell.right
        wide = gap > _CELL_GAP * (cell.top - cell.bottom) or gap < -(cell.top - cell.bottom)
        if (wide and not is_sign) or word.text in _SIGNS:
            yield cell
            cell = word
        else:
            cell = Cell(
                min(cell.left, word.left),
                min(cell.bottom, word.bottom),
                max(cell.right, word.right),
                max(cell.top, word.top),
                f"{cell.text} {word.text}",
            )
        is_sign = cell.text in _SIGNS
    yield cell
