"""Writes the tables of Markdown in words: a paragraph a row, each cell after the name of its column.

So every passage that holds a row has the names, wherever the table is cut. What stands right above a table,
its caption and units, goes with it as :class:`rag.model.Table`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from rag.model import Table
from rag.naming import plain_name
from rag.parsing.heads import Head, Row, body_contrasts, head_of
from rag.parsing.rows import SAMPLE_ROWS, in_words

NAMED_RULE = ":---"
"""A rule of these below a table's first row states that the row names the columns."""

_CELL_END = re.compile(r"(?<!\\)\|")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CODE_INDENT = "    "
_OTHER_BLOCKS = ("#", "- ", "* ", "+ ", ">", "```", "~~~", "<!--")
_MARKS = "*_` "
_LONGEST_NAME = 120  # characters
_LONGEST_CAPTION = 160
_MOST_CAPTIONS = 3
_LONGEST_CAPTIONS = 300
_SIGNS = frozenset({"$", "€", "£", "¥", "US$", "CHF", "EUR", "USD"})
_CLOSING = frozenset({")", "%", ")%"})


class TableWriter:
    """Writes the tables of one document, whose pages it is given in order."""

    def __init__(self, *, stated: bool = False) -> None:
        """``stated``: whether the first row of each table names its columns, as where people write Markdown.

        Converters write any first row like that; then the rows have to tell.
        """
        self._stated = stated
        self._above: Sequence[str] = ()  # names of the table at the end of the page before

    def write(self, markdown: str) -> tuple[str, tuple[Table, ...]]:
        """``markdown``, normalised, with its tables in words, and where they stand in it."""
        lines = markdown.split("\n")
        paragraphs: list[str] = []
        tables: list[Table] = []
        done = length = 0
        for first, last in _spans(lines) if "|" in markdown else ():
            before = "\n".join(lines[done:first]).strip("\n")
            rows = _rows(lines[first:last])
            continues = not done and not before.strip()
            named = lines[first + 1].startswith(f"| {NAMED_RULE} |")
            head = Head(0, 1, tuple(rows[0])) if named else self._head(rows, continues=continues)
            words = list(in_words(rows, head))
            if before:
                paragraphs.append(before)
                length += len(before) + 2
            if words:
                titles = in_words(rows[: head.preamble], head)
                caption = [*_captions(lines[done:first]), *titles]
                tables.append(_table(length, words, caption))
                paragraphs += words
                length = tables[-1].last + len(words[-1]) + 2
            self._above, done = head.names, last
        if rest := "\n".join(lines[done:]).strip("\n"):
            self._above = ()
            paragraphs.append(rest)
        return ("\n\n".join(paragraphs), tuple(tables)) if tables else (markdown, ())

    def _head(self, rows: Sequence[Row], *, continues: bool) -> Head:
        """``continues``: whether the table is the first thing on its page."""
        if len(rows[0]) == 2 and not any(rows[0]):
            return Head(0, 1, pairs=True)
        head = head_of(rows[:SAMPLE_ROWS])
        if self._stated and not (head.names and head.first > 1):
            return _stated_head(rows, head)
        if continues and self._above and len(self._above) == len(rows[0]):
            own = head.names and body_contrasts(rows[head.first - 1 :])
            if not own:
                return Head(0, int(_bare(rows[0]) == tuple(self._above)), tuple(self._above))
        return replace(head, names=_bare(head.names))


def _table(start: int, words: Sequence[str], caption: Sequence[str]) -> Table:
    last = start + sum(len(row) + 2 for row in words[:-1])
    return Table(start, last, plain_name(" – ".join(caption))[:_LONGEST_CAPTIONS])


def _stated_head(rows: Sequence[Row], found: Head) -> Head:
    names = _bare(rows[0])
    if not any(names):
        return Head(0, 1, pairs=found.pairs)
    return Head(0, 1, names) if max(map(len, names)) <= _LONGEST_NAME else Head(0, 0)


def _bare(names: Row) -> tuple[str, ...]:
    return tuple(name.strip(_MARKS) for name in names)


def _spans(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First line and end of each table; the second line of one is a rule of dashes (GFM 4.10)."""
    fence, end = "", 0
    for number, (line, below) in enumerate(pairwise(lines)):
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
        if number >= end and not fence and _is_row(line) and _is_rule(below, line):
            end = number + 2
            while end < len(lines) and _is_row(lines[end]):
                end += 1
            yield number, end


def _is_row(line: str) -> bool:
    return "|" in line and not line.startswith(_CODE_INDENT)


def _is_rule(line: str, head: str) -> bool:
    if "-" not in line or "|" not in line or line.strip(" \t|:-"):
        return False
    return len(_cells(line)) == len(_cells(head))


def _rows(lines: Sequence[str]) -> list[list[str]]:
    """The rows without the rule below the first one, and without columns that hold nothing of their own."""
    rows = [_with_signs(_cells(line)) for number, line in enumerate(lines) if number != 1]
    filled = {column for row in rows[1:] for column, cell in enumerate(row) if cell}
    kept = {cell for column, cell in enumerate(rows[0]) if column in filled} | {""}
    filled |= {column for column, cell in enumerate(rows[0]) if cell not in kept}
    return [[cell for column, cell in enumerate(row) if column in filled] for row in rows]


def _cells(line: str) -> list[str]:
    bare = line.strip().removeprefix("|")
    if bare.endswith("|") and not bare.endswith("\\|"):
        bare = bare[:-1]
    return [" ".join(cell.replace("\\|", "|").split()) for cell in _CELL_END.split(bare)]


def _with_signs(row: list[str]) -> list[str]:
    """The row with a currency's sign, a closing bracket or percent sign in the cell of its number.

    Reports set them in columns of their own.
    """
    filled = [column for column, cell in enumerate(row) if cell]
    for column, after in pairwise(filled):
        if row[column] in _SIGNS and row[after][:1].isdigit() | (row[after][:1] == "("):
            row[column], row[after] = "", f"{row[column]} {row[after]}"
        elif row[after] in _CLOSING and (row[column][-1:].isdigit() or row[column][-1:] == ")"):
            # The number moves, so that what closes after it finds it there.
            row[column], row[after] = row[column] + row[after], ""
    return row


def _captions(lines: Sequence[str]) -> list[str]:
    """The short paragraphs right above a table, the first one first."""
    found: list[str] = []
    paragraphs = "\n".join(lines).strip("\n").rsplit("\n\n", _MOST_CAPTIONS)[-_MOST_CAPTIONS:]
    for paragraph in reversed(paragraphs):
        words = " ".join(paragraph.split()).strip(_MARKS)
        is_other = paragraph.lstrip().startswith(_OTHER_BLOCKS)
        if not words or is_other or len(words) > _LONGEST_CAPTION or (found and words.endswith(".")):
            break
        found.append(words)
    return found[::-1]
