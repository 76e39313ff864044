"""Reads CSV and TSV. Each row becomes a paragraph that names its columns, so that it can be read alone."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from rag.errors import UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.decoding import decoded
from rag.parsing.heads import Head, head_of

_DELIMITERS = ",;\t|"
SAMPLE_ROWS = 30
_LONGEST_CELL = 1 << 30

Row = Sequence[str]


def table(data: bytes) -> ParsedDocument:
    """Rows as ``Column: cell; Column: cell``; without column names where no row above them has any."""
    content = decoded(data)
    # The library refuses cells of over 128 KiB; the size of the whole file is bounded already.
    csv.field_size_limit(_LONGEST_CELL)
    try:
        separator, content = _separator(content)
        rows = _rows(content, separator or _delimiter(content))
        return structure.from_text("\n\n".join(sentences(rows)))
    except csv.Error as error:
        raise UnreadableDocument(f"The table cannot be read: {error}.") from error


def sentences(rows: Iterator[Row]) -> Iterator[str]:
    """The titles above the table, then each row in words, after the names of its columns if it has any."""
    sample = list(islice(rows, SAMPLE_ROWS))
    yield from in_words(chain(sample, rows), head_of(sample))


def in_words(rows: Iterable[Row], head: Head) -> Iterator[str]:
    """Titles and rows of a table as :func:`sentences` writes them, where its ``head`` is known."""
    for number, row in enumerate(rows):
        if number >= head.first:
            words = _cells(row, head)
        else:
            words = filter(None, row) if number < head.preamble else iter(())
        if said := "; ".join(words):
            yield said


def _cells(row: Row, head: Head) -> Iterator[str]:
    names = head.names
    if head.pairs and all(row) and len(row) == 2:
        yield f"{row[0].rstrip(': ')}: {row[1]}"
        return
    if not names:
        yield from filter(None, row)
        return
    for column, cell in enumerate(row):
        name = names[column] if column < len(names) else f"column {column + 1}"
        if cell:
            yield f"{name}: {cell}" if name else cell


def _rows(content: str, delimiter: str) -> Iterator[Row]:
    for row in csv.reader(io.StringIO(content, newline=""), delimiter=delimiter):
        if cells := [" ".join(cell.split()) for cell in row]:
            yield cells


def _separator(content: str) -> tuple[str, str]:
    """The delimiter that Excel's first line ``sep=;`` states, if there is one, and the lines of the table."""
    first, _, rest = content.partition("\n")
    stated = first.strip().removeprefix("sep=")
    return (stated, rest) if first.startswith("sep=") and len(stated) == 1 else ("", content)


def _delimiter(content: str) -> str:
    """The delimiter that cuts the first rows into the most columns of the same number."""
    sample = content[:65_536]

    def regularity(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in islice(_rows(sample, delimiter), SAMPLE_ROWS)]
        usual = max(set(widths), key=widths.count, default=0)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0, max(widths, default=0))

    return max(_DELIMITERS, key=regularity)
