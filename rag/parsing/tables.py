"""Reads CSV and TSV. Each row becomes a paragraph that names its columns, so that it can be read alone."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

from rag.errors import UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.decoding import decoded
from rag.parsing.heads import Row, head_of
from rag.parsing.rows import SAMPLE_ROWS, WrittenTable, in_words

_DELIMITERS = ",;\t|"
_LONGEST_CELL = 1 << 30


def table(data: bytes) -> ParsedDocument:
    """Rows as ``Column: cell; Column: cell``; without column names where no row above them has any."""
    content = decoded(data)
    # The library refuses cells of over 128 KiB; the size of the whole file is bounded already.
    csv.field_size_limit(_LONGEST_CELL)
    try:
        separator, content = _separator(content)
        rows = _rows(content, separator or _delimiter(content))
        return structure.from_tables([("", [_written(rows)])])
    except csv.Error as error:
        raise UnreadableDocument(f"The table cannot be read: {error}.") from error


def _written(rows: Iterator[Row]) -> WrittenTable:
    sample = list(islice(rows, SAMPLE_ROWS))
    head = head_of(sample)
    captions = in_words(sample[: head.preamble], head)
    return WrittenTable(
        tuple(captions), list(in_words(chain(sample[head.first :], rows), replace(head, preamble=0, first=0)))
    )


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
