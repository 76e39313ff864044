"""The rows of an XLSX sheet, as its reader sees them: one after the other, without holding the sheet."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO
from xml.parsers import expat

from rag.errors import DocumentTooLarge
from rag.parsing.number_formats import GENERAL, shown

_PIECE = 1 << 16  # bytes
_PLACE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_MERGED = re.compile(rb'ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"')
_MERGED_CELLS = b"mergeCells"
_LARGEST_LIST = 4 << 20
_MOST_COLUMNS = 16_384
_LONGEST_FORMULA = 1_000  # characters
_MOST_CELLS = 5_000_000


@dataclass(frozen=True, slots=True)
class Styles:
    """What the cells refer to by number. ``formats``: codes; ``since_1904``: see :mod:`number_formats`."""

    texts: Sequence[str]
    formats: Sequence[str]
    since_1904: bool


@dataclass(frozen=True, slots=True)
class SheetRow:
    """The cells of row ``number``, from 1, up to the last that is filled.

    ``formulas``: how many of them show their formula, since the file has no value for it.
    """

    number: int
    cells: list[str]
    formulas: int = 0


Merged = Mapping[int, Sequence[tuple[int, int]]]
"""For a row, the columns in which a cell over several rows begins, and the last row of each."""


def merged_rows(stream: IO[bytes]) -> Merged:
    """The merged cells of one column; those over several columns are titles or heads."""
    found = defaultdict[int, list[tuple[int, int]]](list)
    for left, top, right, bottom in _MERGED.findall(_list_of_merged(stream)):
        if left == right and top != bottom:
            found[int(top)].append((column_of(left.decode()), int(bottom)))
    return found


def _list_of_merged(stream: IO[bytes]) -> bytes:
    """The part's list of merged cells, which stands behind the cells."""
    before = b""
    while piece := stream.read(_PIECE):
        both = before + piece
        if (start := both.find(_MERGED_CELLS)) >= 0:
            return both[start:] + stream.read(_LARGEST_LIST)
        before = piece[-len(_MERGED_CELLS) :]
    return b""


def rows_of(stream: IO[bytes], styles: Styles, merged: Merged) -> Iterator[SheetRow]:
    """The rows that hold something. Raises ExpatError, and DocumentTooLarge for a sheet of too many cells."""
    reader = _Reader(styles)
    open_cells: dict[int, tuple[int, str]] = {}
    placed = 0
    while piece := stream.read(_PIECE):
        reader.parser.Parse(piece)
        rows, reader.rows = reader.rows, []
        for number, cells, formulas in rows:
            _fill(number, cells, open_cells, merged)
            width = max((column for column, text in cells.items() if text), default=-1) + 1
            placed += width
            if placed > _MOST_CELLS:
                raise DocumentTooLarge(f"The file has a sheet of more than {_MOST_CELLS} cells.")
            if width:
                yield SheetRow(number, [cells.get(column, "") for column in range(width)], formulas)
    reader.parser.Parse(b"", True)


def _fill(number: int, cells: dict[int, str], open_cells: dict[int, tuple[int, str]], merged: Merged) -> None:
    """Write the text of cells over several rows into a row below the first."""
    for column, (last, text) in list(open_cells.items()):
        if number > last:
            del open_cells[column]
        elif not cells.get(column):
            cells[column] = text
    for column, last in merged.get(number, ()):
        if shown_there := cells.get(column):
            open_cells[column] = last, shown_there


def column_of(letters: str) -> int:
    """The column's number, from 0: "A" is 0, "AA" is 26."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def place_of(cell: str) -> tuple[int, int] | None:
    """Row, from 1, and column, from 0, of a cell "B7"; None for what names no cell."""
    found = _PLACE.fullmatch(cell)
    return (int(found[2]), column_of(found[1])) if found else None


@dataclass(slots=True)
class _Cell:
    column: int
    kind: str
    style: str
    text: list[str] = field(default_factory=list)
    formula: list[str] = field(default_factory=list)
    has_formula: bool = False


class _Reader:
    """Follows the elements of a sheet's part; ``rows`` are those that ended."""

    def __init__(self, styles: Styles) -> None:
        self.rows: list[tuple[int, dict[int, str], int]] = []
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._styles = styles
        self._number = 0
        self._cells: dict[int, str] = {}
        self._formulas = 0
        self._next = 0
        self._cell: _Cell | None = None
        self._spoken = 0

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        name = element.rpartition("}")[2]
        if name == "c":
            place = place_of(attributes.get("r", ""))
            column = min(place[1] if place else self._next, _MOST_COLUMNS - 1)
            self._next = column + 1
            self._cell = _Cell(column, attributes.get("t", "n"), attributes.get("s", ""))
        elif name in ("v", "t") and self._cell and not self._spoken:
            self.parser.CharacterDataHandler = self._cell.text.append
        elif name == "f" and self._cell:
            self._cell.has_formula = True
            self.parser.CharacterDataHandler = self._cell.formula.append
        elif name == "rPh":
            self._spoken += 1
        elif name == "row":
            stated = attributes.get("r", "")
            self._number = int(stated[:8]) if stated.isdecimal() else self._number + 1
            self._cells, self._next, self._formulas = {}, 0, 0

    def _end(self, element: str) -> None:
        name = element.rpartition("}")[2]
        if name in ("v", "t", "f"):
            self.parser.CharacterDataHandler = None
        elif name == "c" and self._cell:
            self._end_cell(self._cell)
            self._cell = None
        elif name == "rPh":
            self._spoken -= 1
        elif name == "row":
            self.rows.append((self._number, self._cells, self._formulas))

    def _end_cell(self, cell: _Cell) -> None:
        """Keep what the cell shows: its formula, where a program that does not compute stored no value."""
        text = self._text(cell) if cell.text else ""
        if cell.has_formula and cell.kind != "str" and not "".join(cell.text).strip():
            formula = " ".join("".join(cell.formula).split())[:_LONGEST_FORMULA]
            text = f"={formula}" if formula else ""  # one that a cell shares with another stands there
            self._formulas += 1
        if text:
            self._cells[cell.column] = text

    def _text(self, cell: _Cell) -> str:
        """What the cell shows; "" for an error of a formula."""
        value = "".join(cell.text)
        if cell.kind == "n":
            style = int(cell.style) if cell.style.isdecimal() and len(cell.style) < 7 else 0
            formats = self._styles.formats
            code = formats[style] if style < len(formats) else GENERAL
            return shown(value.strip(), code, since_1904=self._styles.since_1904)
        if cell.kind == "s":
            index = int(value) if value.isdecimal() and len(value) < 9 else -1
            texts = self._styles.texts
            value = texts[index] if 0 <= index < len(texts) else ""
        elif cell.kind == "b":
            value = "TRUE" if value.strip() == "1" else "FALSE"
        elif cell.kind == "e":
            value = ""
        return " ".join(value.split())
