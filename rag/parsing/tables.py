"""Reads CSV and TSV. Each row becomes a paragraph that names its columns, so that it can be read alone."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain, islice

from rag.errors import UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.decoding import decoded

_DELIMITERS = ",;\t|"
_SAMPLE_ROWS = 30
_LONGEST_CELL = 1 << 30
_NUMBER = re.compile(r"[-+]?[\d.,:%/ \u20ac$-]+")

Row = list[str]


def table(data: bytes) -> ParsedDocument:
    """Rows as ``Column: cell; Column: cell``; without column names where the first row has none."""
    content = decoded(data)
    # The library refuses cells of over 128 KiB; the size of the whole file is bounded already.
    csv.field_size_limit(_LONGEST_CELL)
    try:
        return structure.from_text("\n\n".join(sentences(_rows(content, _delimiter(content)))))
    except csv.Error as error:
        raise UnreadableDocument(f"The table cannot be read: {error}.") from error


def sentences(rows: Iterator[Row]) -> Iterator[str]:
    """Each row in words; the first row gives the column names when it looks like names."""
    first, second = next(rows, []), next(rows, [])
    # Names fill their row, differ from one another and are no numbers, and other rows follow them.
    has_names = (
        second and all(first) and len(set(first)) == len(first) and not any(map(_NUMBER.fullmatch, first))
    )
    for row in chain([second] if has_names else [first, second], rows):
        names = chain(first, (f"column {n}" for n in range(len(first) + 1, len(row) + 1)))
        named = (f"{name}: {cell}" for name, cell in zip(names, row, strict=False) if cell)
        if sentence := "; ".join(named if has_names else filter(None, row)):
            yield sentence


def _rows(content: str, delimiter: str) -> Iterator[Row]:
    for row in csv.reader(io.StringIO(content, newline=""), delimiter=delimiter):
        if cells := [" ".join(cell.split()) for cell in row]:
            yield cells


def _delimiter(content: str) -> str:
    """The delimiter that cuts the first rows into the most columns of the same number."""
    sample = content[:65_536]

    def regularity(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in islice(_rows(sample, delimiter), _SAMPLE_ROWS)]
        usual = max(set(widths), key=widths.count, default=0)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0, max(widths, default=0))

    return max(_DELIMITERS, key=regularity)
