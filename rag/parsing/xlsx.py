"""Reads XLSX: a heading a sheet, and its rows in words, with numbers as they are shown, and comments.

xberg gives stored values without their formats, and no comments; openpyxl holds a whole sheet as objects,
some 50 times its size. So the parts are read here, a row at a time.
"""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain, groupby, islice
from xml.parsers import expat

from rag.errors import DocumentTooLarge, UnreadableDocument, translated
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.heads import Head, body_contrasts, head_of
from rag.parsing.package import BROKEN, Package
from rag.parsing.rows import SAMPLE_ROWS, WrittenTable, words_of
from rag.parsing.sheets import SheetRow, Styles, merged_rows, place_of, rows_of
from rag.parsing.warnings import formulas_without_values
from rag.parsing.workbook import Sheet, Workbook

_MOST_TITLES = 5
_ERRORS = {**BROKEN, expat.ExpatError: UnreadableDocument}

Comments = dict[int, list[tuple[int, str]]]
"""For a row, the columns and words of its comments."""


def xlsx(data: bytes, max_text_bytes: int) -> ParsedDocument:
    """The sheets in order, hidden ones too. Raises UnreadableDocument, and DocumentTooLarge."""
    with (
        translated(_ERRORS, "The file is broken and cannot be read"),
        zipfile.ZipFile(BytesIO(data)) as archive,
    ):
        package = Package(archive)
        workbook = Workbook(package, max_text_bytes)
        styles = Styles(workbook.shared_texts(), workbook.number_formats(), workbook.since_1904)
        sheets, room, formulas = [], max_text_bytes, 0
        for number, sheet in enumerate(workbook.sheets(), 1):
            written, shown = _sheet(package, sheet, (styles, workbook.comments(sheet)), room)
            formulas += shown
            room -= sum(map(_length, written))
            if written:
                sheets.append((sheet.name or f"Sheet {number}", written))
        title = workbook.title()
    warnings = (formulas_without_values(formulas),) if formulas else ()
    return replace(structure.from_tables(sheets, title), warnings=warnings)


def _sheet(
    package: Package, sheet: Sheet, about: tuple[Styles, Mapping[str, Sequence[str]]], room: int
) -> tuple[list[WrittenTable], int]:
    """The tables, and how many cells show formulas. ``about``: what cells refer to, and comments by cell."""
    styles, texts_by_cell = about
    with package.open(sheet.part) as stream:
        merged = merged_rows(stream)
    comments: Comments = {}
    for cell, texts in texts_by_cell.items():
        if place := place_of(cell):
            comments.setdefault(place[0], []).extend((place[1], text) for text in texts)
    tables = []
    formulas = _FormulaCount()
    with package.open(sheet.part) as stream:
        for table in _tables(formulas.of(rows_of(stream, styles, merged)), comments):
            room -= _length(table)
            if room < 0:
                raise DocumentTooLarge("The file holds more text than is read.")
            tables.append(table)
    if rest := [f"Comment: {text}" for row in sorted(comments) for _, text in comments[row]]:
        tables.append(WrittenTable((), rest))
    return tables, formulas.count


@dataclass(slots=True)
class _FormulaCount:
    count: int = 0

    def of(self, rows: Iterator[SheetRow]) -> Iterator[SheetRow]:
        """``rows``, whose formulas are counted as they pass."""
        for row in rows:
            self.count += row.formulas
            yield row


def _length(table: WrittenTable) -> int:
    return sum(map(len, chain(table.captions, table.rows)))


def _tables(rows: Iterator[SheetRow], comments: Comments) -> Iterator[WrittenTable]:
    """The tables that empty rows part. Titles with an empty row below them belong to the table there."""
    titles: list[str] = []
    above: Head | None = None
    for _, block in groupby(rows, _BlockNumber()):
        sample = list(islice(block, SAMPLE_ROWS))
        if len(sample) <= _MOST_TITLES and all(sum(map(bool, row.cells)) == 1 for row in sample):
            titles += chain.from_iterable(
                _words(n, row, Head(0, 0), comments) for n, row in enumerate(sample)
            )
            continue
        cells = [row.cells for row in sample]
        head = _head_below(above, cells)
        written = (_words(n, row, head, comments) for n, row in enumerate(chain(sample, block)))
        lines = list(chain.from_iterable(written))
        own = head.preamble if head.preamble < len(lines) else 0
        yield WrittenTable((*titles, *lines[:own]), lines[own:])
        titles, above = [], head
    if titles:
        yield WrittenTable((), titles)


class _BlockNumber:
    """Counts the runs of rows without an empty one between them."""

    def __init__(self) -> None:
        self._number = self._last = 0

    def __call__(self, row: SheetRow) -> int:
        self._number += row.number > self._last + 1
        self._last = row.number
        return self._number


def _head_below(above: Head | None, rows: Sequence[Sequence[str]]) -> Head:
    """The head of a block of rows, which may go on the table ``above`` an empty row."""
    own = head_of(rows)
    if above is None or len(above.names) < 2 or own.preamble or max(map(len, rows)) != len(above.names):
        return own
    begins_anew = own.names and body_contrasts(rows[own.first - 1 :])
    return own if begins_anew else Head(0, 0, above.names)


def _words(number: int, row: SheetRow, head: Head, comments: Comments) -> Iterator[str]:
    """The row in words with its comments; nothing for the names of columns without any."""
    notes = comments.pop(row.number, ())
    if head.preamble <= number < head.first:
        for column, text in notes:
            name = row.cells[column] if column < len(row.cells) else ""
            yield f"Comment on {name}: {text}" if name else f"Comment: {text}"
        return
    words = chain(words_of(number, row.cells, head), (f"Comment: {text}" for _, text in notes))
    if said := "; ".join(words):
        yield said
