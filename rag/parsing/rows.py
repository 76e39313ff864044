"""Writes rows of tables in words, "Name: Ada; Badge: 4417", so that each can be read alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rag.parsing.heads import Head, Row

SAMPLE_ROWS = 30
"""First rows of a table, from which its head is told."""


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """``rows`` in words, and the ``captions`` above them: titles, units."""

    captions: tuple[str, ...]
    rows: Sequence[str]


def in_words(rows: Iterable[Row], head: Head) -> Iterator[str]:
    """The titles above a table, then each row after the names of its columns, if it has any."""
    for number, row in enumerate(rows):
        if said := "; ".join(words_of(number, row, head)):
            yield said


def words_of(number: int, row: Row, head: Head) -> Iterator[str]:
    """What is said of a table's row ``number``, from 0: nothing of the names of columns."""
    if number >= head.first:
        return _cells(row, head)
    return filter(None, row) if number < head.preamble else iter(())


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
