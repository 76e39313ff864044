"""Writes the sheets of spreadsheets in words: rows with the names of their columns, numbers, and comments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice

from rag.errors import DocumentTooLarge
from rag.parsing.heads import Head, body_contrasts, head_of
from rag.parsing.rows import SAMPLE_ROWS, WrittenTable, words_of
from rag.parsing.sheets import SheetRow

_MOST_TITLES = 5

Comments = dict[int, list[tuple[int, str]]]
"""For a row, the columns and words of its comments."""


def written_sheet(rows: Iterator[SheetRow], comments: Comments, room: int) -> tuple[list[WrittenTable], int]:
    """The tables of a sheet, and how many of its cells show formulas.

    ``comments``: those of a row are there when the row comes; what is left of them stands at the end. Raises
    DocumentTooLarge for more than ``room`` characters.
    """
    tables = []
    count = _RowCount(room)
    for table in _tables(count.of(rows), comments):
        room -= length_of(table)
        if room < 0:
            raise _too_large()
        tables.append(table)
    if rest := [f"Comment: {text}" for row in sorted(comments) for _, text in comments[row]]:
        tables.append(WrittenTable((), rest))
    return tables, count.formulas


@dataclass(slots=True)
class _RowCount:
    """``room``: characters that there may be in further cells."""

    room: int
    formulas: int = 0

    def of(self, rows: Iterator[SheetRow]) -> Iterator[SheetRow]:
        """``rows``, counted as they pass. Few bytes of a file can name one text a million times."""
        for row in rows:
            self.formulas += row.formulas
            self.room -= sum(map(len, row.cells))
            if self.room < 0:
                raise _too_large()
            yield row


def _too_large() -> DocumentTooLarge:
    return DocumentTooLarge("The file holds more text than is read.")


def length_of(table: WrittenTable) -> int:
    """Characters."""
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
