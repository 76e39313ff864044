"""Reads the tables with merged cells in the slides of a PPTX file.

xberg takes a row that spans all columns for a cell of the first one, and reads a cell that is merged over
several rows only in the first. So a mark stands in the place of such a table when xberg reads the slide. It
is put into the bytes of the part, which is not written anew.
"""

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from xml.parsers import expat

from rag.parsing.docx_body import Edits, edited
from rag.parsing.grids import SpanningCell, table_of
from rag.parsing.heads import body_contrasts
from rag.parsing.odt_numbering import number_of
from rag.parsing.package import rewritten

_SLIDE = re.compile(r"ppt/slides/slide\d{1,9}\.xml", re.IGNORECASE)
_UNREAD = ("ppt/media/",)
_SPANS = (b"vMerge=", b"hMerge=", b"gridSpan=", b"rowSpan=")
_MOST_REPEATED = 1 << 20
"""Characters of a table's merged cells, each as often as it is repeated."""

_MOST_SPANNED = 1_000  # rows or columns
_MOST_CELLS = 100_000  # of a table
_LARGEST_SLIDE = 16 << 20
_ROW = "<a:tr><a:tc><a:txBody><a:bodyPr/><a:p><a:r><a:t>{}</a:t></a:r></a:p></a:txBody></a:tc></a:tr>"
_OPEN, _CLOSE = "\ue012", "\ue013"
_MARKED = re.compile(f"\\| {{0,9}}{_OPEN}(\\d{{1,6}}){_CLOSE} {{0,9}}\\|\n\\|[ -]{{1,99}}\\|")


@dataclass(frozen=True, slots=True)
class MarkedTables:
    """The file ``data`` with marks in the places of ``tables``, which are in Markdown."""

    data: bytes
    tables: Sequence[str] = ()

    def placed(self, markdown: str) -> str:
        """``markdown`` with the tables in the places of their marks."""
        return _MARKED.sub(self._table, markdown)

    def _table(self, mark: re.Match[str]) -> str:
        number = int(mark[1])
        return self.tables[number] if number < len(self.tables) else ""


def with_marked_tables(data: bytes) -> MarkedTables:
    """The file with its tables of merged cells marked. Raises ExpatError."""
    tables: list[str] = []
    with zipfile.ZipFile(BytesIO(data)) as archive:
        slides = dict(_marked(archive, tables))
        if not slides:
            return MarkedTables(data)
        return MarkedTables(rewritten(archive, slides, _UNREAD), tables)


def _marked(archive: zipfile.ZipFile, tables: list[str]) -> Iterator[tuple[str, bytes]]:
    for entry in archive.infolist():
        if _SLIDE.fullmatch(entry.filename) and entry.file_size <= _LARGEST_SLIDE:
            slide = archive.read(entry)
            is_merged = any(span in slide for span in _SPANS) and slide.lstrip()[:1] == b"<"
            if is_merged and (edits := _TableReader(tables).edits_of(slide)):
                yield entry.filename, edited(slide, edits)


@dataclass(slots=True)
class _Table:
    """A table being read, whose rows begin at byte ``start``: the attributes and words of each cell."""

    start: int | None = None
    rows: list[list[tuple[Mapping[str, str], list[str]]]] = field(default_factory=list)
    count: int = 0

    @property
    def is_merged(self) -> bool:
        """Whether it has merged cells, and little enough in them."""
        areas = (
            (rows * columns, words)
            for row in self.rows
            for attributes, words in row
            for rows, columns in (_spans(attributes),)
        )
        merged = [area * sum(map(len, words)) for area, words in areas if area > 1]
        return bool(merged) and sum(merged) <= _MOST_REPEATED


class _TableReader:
    """Follows the tables of a slide; no table stands within a cell there."""

    def __init__(self, tables: list[str]) -> None:
        self._tables = tables
        self._edits: list[tuple[int, int, str]] = []
        self._table: _Table | None = None
        self._words: list[str] | None = None
        self._in_text = False
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._take_text

    def edits_of(self, slide: bytes) -> Edits:
        self._parser.Parse(slide, True)
        return self._edits

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._in_text = name == "a:t"
        table = self._table
        if name == "a:tbl":
            self._table = _Table()
        elif name == "a:tr" and table:
            table.start = self._parser.CurrentByteIndex if table.start is None else table.start
            table.rows.append([])
        elif name == "a:tc" and table and table.rows:
            self._words = []
            table.rows[-1].append((attributes, self._words))
            table.count += 1
        elif name in ("a:p", "a:br") and self._words:
            self._words.append(" ")

    def _take_text(self, text: str) -> None:
        if self._in_text and self._words is not None:
            self._words.append(text)

    def _end(self, name: str) -> None:
        self._in_text = False
        if name == "a:tc":
            self._words = None
        elif name == "a:tbl" and self._table:
            self._mark(self._table)
            self._table = None

    def _mark(self, table: _Table) -> None:
        """Put a mark in the place of the rows, if cells are merged and are not too many."""
        if table.start is None or not table.is_merged or table.count > _MOST_CELLS:
            return
        if written := table_of(list(_cells(table)), len(table.rows)):
            mark = f"&#{ord(_OPEN)};{len(self._tables)}&#{ord(_CLOSE)};"
            self._edits.append((table.start, self._parser.CurrentByteIndex, _ROW.format(mark)))
            self._tables.append(written)


def _cells(table: _Table) -> Iterator[SpanningCell]:
    """The cells but for those that lie under a merged one. Heads are told by their words."""
    heads = _heads(table)
    for number, row in enumerate(table.rows):
        for attributes, words in row:
            if _is_covered(attributes):
                continue
            text = " ".join("".join(words).split()).replace("|", r"\|")
            rows, columns = _spans(attributes)
            yield SpanningCell(text, number, rows, columns, number in heads)


def _heads(table: _Table) -> range:
    """The rows that name columns, below those that span all: two where one has names over several columns."""
    width = max(map(len, table.rows), default=0)
    first = next((n for n, row in enumerate(table.rows) if row and _spans(row[0][0])[1] < width), 0)
    is_grouped = any(_spans(attributes)[1] > 1 for attributes, _ in table.rows[first])
    below = [["".join(words).strip() for _, words in row] for row in table.rows[first + 1 : first + 5]]
    return range(first, first + (2 if is_grouped and body_contrasts(below) else 1))


def _spans(attributes: Mapping[str, str]) -> tuple[int, int]:
    """Over how many rows and columns the cell reaches."""
    names = ("rowSpan", "gridSpan")
    rows, columns = (number_of(attributes.get(name, ""), 1, _MOST_SPANNED) for name in names)
    return max(rows, 1), max(columns, 1)


def _is_covered(attributes: Mapping[str, str]) -> bool:
    return any(attributes.get(name) in ("1", "true") for name in ("hMerge", "vMerge"))
