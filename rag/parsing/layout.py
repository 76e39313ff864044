"""Writes a PDF page in Markdown by where the lines of its text layer stand: paragraphs, tables of figures."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from rag.parsing.figure_tables import FigureTable, figure_tables, joined_rows
from rag.parsing.markdown_tables import NAMED_RULE
from rag.parsing.textlines import Line

_PARAGRAPH_GAP = 0.5
"""Times the height of a line, more than lines of the page usually have between them."""

_OTHER_SIZE = 1.15
_LIKE_MARKUP = re.compile(r" {0,3}(?:#{1,6}[ \t]|`{3}|~{3}|(?:=+|-+)$)")
_CODE_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Arranged:
    """A page in Markdown; ``rows``: how many of its lines are rows of tables."""

    text: str
    rows: int


def arranged(lines: Sequence[Line]) -> Arranged:
    """The page of these lines, which are in the order of the file."""
    rows = joined_rows(lines)
    pieces, done, count = list[str](), 0, 0
    for table in figure_tables(rows):
        pieces += (_paragraphs(rows[done : table.first]), _written(table))
        done = table.end
        count += len(table.rows)
    pieces.append(_paragraphs(rows[done:]))
    return Arranged("\n\n".join(filter(None, pieces)), count)


def _written(table: FigureTable) -> str:
    width = max(map(len, table.rows))
    names = table.names or ("",) * width
    rule = NAMED_RULE if table.names else "---"
    rows = "\n".join((_row(names), _row((rule,) * width), *map(_row, table.rows)))
    return "\n\n".join((*table.captions, rows))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _paragraphs(lines: Sequence[Line]) -> str:
    return "".join(_parted(lines))


def _parted(lines: Sequence[Line]) -> Iterator[str]:
    """The lines, and a blank line where the gap above one is wide or the size of its letters another."""
    if not lines:
        return
    usual = median([0.0, *(_gap(above, line) for above, line in pairwise(lines) if _gap(above, line) >= 0)])
    for above, line in pairwise([None, *lines]):
        if above is not None and line is not None:
            sizes = sorted((above.height, line.height))
            gap = _gap(above, line)
            wide = gap > usual + _PARAGRAPH_GAP * line.height
            yield "\n\n" if wide or (gap > 0 and sizes[1] > _OTHER_SIZE * sizes[0]) else "\n"
        if line is not None:
            yield _CODE_INDENT + line.text if _LIKE_MARKUP.match(line.text) else line.text


def _gap(above: Line, line: Line) -> float:
    return above.bottom - line.top
