"""The rows of an ODS file's sheets, as their reader sees them: one after the other, without holding a sheet.

Source: OpenDocument 1.3, part 3, 9. Equal neighbours are stored once, with a count that a hostile file may
make as large as it likes, so counts are bounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import IO
from xml.parsers import expat

from rag.errors import DocumentTooLarge
from rag.parsing.number_formats import plain
from rag.parsing.odt_numbering import number_of
from rag.parsing.sheet_tables import Comments
from rag.parsing.sheets import SheetRow

_PIECE = 1 << 16  # bytes
_MOST_COLUMNS, _MOST_ROWS = 16_384, 1_048_576
_MOST_SAME_ROWS = 1_000
"""Rows of one content, one below the other, that are kept."""

_MOST_CELLS = 5_000_000
_MOST_SPACES = 80
_LONGEST_FORMULA = 1_000  # characters
_LONGEST_DATE = 40  # characters
_CALC = "calcext:"
_SHAPES = frozenset(
    (
        *(
            "frame",
            "custom-shape",
            "g",
            "rect",
            "circle",
            "ellipse",
            "caption",
            "line",
            "connector",
            "measure",
        ),
        *("polygon", "polyline", "path", "control"),
    )
)
_UNREAD = frozenset(("tracked-changes", "forms", "named-expressions", "content-validations", "scenario"))
_SPACES = frozenset(("tab", "line-break"))

Attributes = Mapping[str, str]


@dataclass(eq=False, slots=True)
class OdsSheet:
    """``comments``: those of the rows that were read; ``shapes``: words on drawings over the cells."""

    name: str
    comments: Comments = field(default_factory=dict)
    shapes: list[str] = field(default_factory=list)


def rows_of(stream: IO[bytes]) -> Iterator[tuple[OdsSheet, SheetRow | None]]:
    """The sheets' rows that hold something; None at the end of each sheet.

    Raises ExpatError, and DocumentTooLarge for a file of too many cells.
    """
    reader = _Reader()
    while piece := stream.read(_PIECE):
        reader.parser.Parse(piece)
        found, reader.found = reader.found, []
        yield from found
    reader.parser.Parse(b"", True)
    yield from reader.found


@dataclass(slots=True)
class _Cell:
    column: int
    times: int
    attributes: Attributes
    covered: bool
    text: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Row:
    number: int
    times: int
    cells: dict[int, str] = field(default_factory=dict)
    column: int = 0
    formulas: int = 0


class _Reader:
    """Follows the elements of the part; ``found`` are the rows and sheets that ended."""

    def __init__(self) -> None:
        self.found: list[tuple[OdsSheet, SheetRow | None]] = []
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._sheet: OdsSheet | None = None
        self._row = _Row(0, 1)
        self._cell: _Cell | None = None
        self._merged: dict[int, tuple[int, str]] = {}
        self._placed = 0
        self._unread = self._shapes = self._paragraphs = self._nested = 0
        self._note: list[str] | None = None
        self._said: list[str] = []
        self._starts = {
            "table": self._start_table,
            "table-row": self._start_row,
            "table-cell": self._start_cell,
            "covered-table-cell": self._start_cell,
            "annotation": self._start_note,
            "p": self._start_paragraph,
        }
        self._ends = {
            "table": self._end_table,
            "table-row": self._end_row,
            "table-cell": self._end_cell,
            "covered-table-cell": self._end_cell,
            "annotation": self._end_note,
            "p": self._end_paragraph,
        }

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        name = element.rpartition("}")[2]
        if self._unread or name in _UNREAD:
            self._unread += 1
        elif name in _SHAPES:
            self._shapes += 1
        elif name in self._starts:
            self._starts[name](name, _named(attributes))
        elif self._paragraphs and name == "s":
            self._take_text(" " * number_of(_named(attributes).get("c", ""), 1, _MOST_SPACES))
        elif self._paragraphs and name in _SPACES:
            self._take_text(" ")

    def _end(self, element: str) -> None:
        name = element.rpartition("}")[2]
        if self._unread:
            self._unread -= 1
        elif name in _SHAPES:
            self._shapes -= 1
            self._end_shape()
        elif name in self._ends:
            self._ends[name]()

    def _start_table(self, _name: str, attributes: Attributes) -> None:
        if self._sheet:
            self._nested += 1
        else:
            self._sheet = OdsSheet(attributes.get("name", ""))
            self._row, self._merged = _Row(0, 1), {}

    def _end_table(self) -> None:
        if self._nested:
            self._nested -= 1
        elif self._sheet:
            self.found.append((self._sheet, None))
            self._sheet = None

    def _start_row(self, _name: str, attributes: Attributes) -> None:
        if not self._nested:
            times = number_of(attributes.get("number-rows-repeated", ""), 1, _MOST_ROWS)
            self._row = _Row(self._row.number + self._row.times if self._row.number else 1, max(times, 1))

    def _end_row(self) -> None:
        row, sheet = self._row, self._sheet
        if self._nested or not row.cells or not sheet:
            return
        times = min(row.times, _MOST_SAME_ROWS)
        self._fill_merged(row)
        width = max(row.cells) + 1
        self._placed += width * times
        if self._placed > _MOST_CELLS:
            raise DocumentTooLarge(f"The file has more than {_MOST_CELLS} cells.")
        cells = [row.cells.get(column, "") for column in range(width)]
        self.found += ((sheet, SheetRow(row.number + n, cells, row.formulas)) for n in range(times))

    def _fill_merged(self, row: _Row) -> None:
        for column, (last, text) in list(self._merged.items()):
            if row.number > last:
                del self._merged[column]
            else:
                row.cells.setdefault(column, text)

    def _start_cell(self, name: str, attributes: Attributes) -> None:
        if not self._nested:
            times = number_of(attributes.get("number-columns-repeated", ""), 1, _MOST_COLUMNS)
            self._cell = _Cell(self._row.column, max(times, 1), attributes, name.startswith("covered"))

    def _end_cell(self) -> None:
        cell, row = self._cell, self._row
        if self._nested or not cell:
            return
        self._cell = None
        row.column = min(cell.column + cell.times, _MOST_COLUMNS)
        if cell.covered or not (text := self._read_cell(cell)):  # what lies under a merged cell is not shown
            return
        row.cells |= dict.fromkeys(range(cell.column, row.column), text)
        rows, columns = (
            number_of(cell.attributes.get(f"number-{side}-spanned", ""), 1, _MOST_ROWS)
            for side in ("rows", "columns")
        )
        if rows > 1 and columns == 1:
            self._merged[cell.column] = row.number + rows - 1, text

    def _read_cell(self, cell: _Cell) -> str:
        """What the cell shows: its formula, where a program that does not compute stored no value."""
        attributes, words = cell.attributes, " ".join("".join(cell.text).split())
        if attributes.get(f"{_CALC}value-type") == "error":
            return ""
        text = _value(attributes, words)
        if not text and "formula" in attributes and "value-type" not in attributes:
            formula = " ".join(attributes["formula"].partition("=")[2].split())[:_LONGEST_FORMULA]
            self._row.formulas += 1
            return f"={formula}" if formula else ""
        return text

    def _start_note(self, _name: str, _attributes: Attributes) -> None:
        self._note = []

    def _end_note(self) -> None:
        words = " ".join("".join(self._note or ()).split())
        self._note = None
        if words and self._sheet and self._cell:
            self._sheet.comments.setdefault(self._row.number, []).append((self._cell.column, words))

    def _end_shape(self) -> None:
        words = " ".join("".join(self._said).split())
        if not self._shapes:
            self._said = []
            if words and self._sheet:
                self._sheet.shapes.append(words)

    def _start_paragraph(self, _name: str, _attributes: Attributes) -> None:
        self._take_text(" ")
        self._paragraphs += 1
        self.parser.CharacterDataHandler = self._take_text

    def _end_paragraph(self) -> None:
        self._paragraphs -= 1
        if not self._paragraphs:
            self.parser.CharacterDataHandler = None

    def _take_text(self, text: str) -> None:
        if self._note is not None:
            self._note.append(text)
        elif self._shapes:
            self._said.append(text)
        elif self._cell:
            self._cell.text.append(text)


def _named(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes by their local names; those of LibreOffice's extension after a mark."""
    named = {}
    for key, value in attributes.items():
        space, _, name = key.rpartition("}")
        named[f"{_CALC}{name}" if "calcext" in space else name] = value
    return named


def _value(attributes: Attributes, words: str) -> str:
    """What is shown of a value that the file shows as ``words``: dates by ISO 8601, as in XLSX."""
    kind = attributes.get("value-type", "")
    if kind == "date":
        return _date(attributes.get("date-value", "")) or words
    if words or not kind:
        return words
    if kind == "boolean":
        return attributes.get("boolean-value", "").upper()
    if kind in ("float", "percentage", "currency"):
        return _number(attributes.get("value", ""), kind, attributes.get("currency", ""))
    return " ".join(attributes.get(f"{kind}-value", "").split())


def _number(value: str, kind: str, currency: str) -> str:
    try:
        number = Decimal(value[:_LONGEST_DATE])
        written = plain(str(number * 100 if kind == "percentage" else number))
    except (InvalidOperation, ValueError, OverflowError):
        return ""
    return f"{written}%" if kind == "percentage" else f"{written} {currency}".strip()


def _date(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value[:_LONGEST_DATE])
    except ValueError:
        return ""
    if not (moment.hour or moment.minute or moment.second):
        return f"{moment:%Y-%m-%d}"
    return f"{moment:%Y-%m-%d %H:%M}" + (f":{moment:%S}" if moment.second else "")
