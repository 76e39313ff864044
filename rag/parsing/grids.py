"""Writes tables with merged cells in Markdown: the cells are filled, and heads of several rows joined.

html-to-markdown leaves the cells empty over which another one reaches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

from html_to_markdown._html_to_markdown import TableData  # where its answers have their types from

from rag.parsing.heads import body_contrasts

_MOST_CELLS = 200_000
_MOST_COLUMNS = 1_000
_DEEPEST_HEAD = 4  # rows


class GridCell(Protocol):
    """A cell of ``row``, from 0, and over how many rows and columns it reaches."""

    @property
    def content(self) -> str: ...
    @property
    def row(self) -> int: ...
    @property
    def row_span(self) -> int: ...
    @property
    def col_span(self) -> int: ...
    @property
    def is_header(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class SpanningCell:
    """A :class:`GridCell` of readers that are ours."""

    content: str
    row: int
    row_span: int
    col_span: int
    is_header: bool


@dataclass(frozen=True, slots=True)
class _Cell:
    """What stands in a column of a row; ``first``: the column in which its cell begins."""

    text: str
    first: int
    is_head: bool


_Row = Mapping[int, _Cell]


def with_merged_cells(markdown: str, tables: Sequence[TableData]) -> str:
    """``markdown`` with those of its ``tables`` written anew that have merged cells or heads of several rows.

    A cell over several rows is repeated in each; one over all columns is a title of the rows below it.
    """
    pieces: list[str] = []
    position = 0
    for table in tables:
        rows = table.markdown if table.markdown.startswith("|") else table.markdown.partition("\n\n|")[2]
        start = markdown.find(rows, position) if rows else -1
        if start >= 0 and (written := _written(table)):
            # the bar that the partition took belongs to the table
            pieces += (markdown[position:start].removesuffix("|"), written)
            position = start + len(rows)
    return "".join((*pieces, markdown[position:]))


def _written(table: TableData) -> str | None:
    """The table in Markdown. None for one that is right as it stands, and one that is too large."""
    cells, height = table.grid.cells, table.grid.rows
    merged = any(cell.row_span > 1 or cell.col_span > 1 for cell in cells)
    if not merged and sum(cell.is_header for cell in cells) <= table.grid.cols:
        return None
    rows = _placed(cells, height)
    if not merged and rows and _are_pairs(rows):
        return "\n".join((_line(["", ""]), _line(["---"] * 2), *(_line(_texts(row, ())) for row in rows)))
    return _table(rows)


def table_of(cells: Sequence[GridCell], height: int) -> str:
    """A table of ``height`` rows in Markdown, from its cells in order. "" for one that spans make too large.

    Where no row is a head, the first one stands in its place: its reader has to tell whether it is one.
    """
    return _table(_placed(cells, height)) or ""


def _table(rows: Sequence[_Row]) -> str | None:
    if not rows:
        return None
    width = max(len(row) for row in rows)
    titles = list(takewhile(lambda row: _spans_all(row, width), rows))
    below = rows[len(titles) :]
    heads = list(takewhile(_is_head, below[:_DEEPEST_HEAD]))
    heads = heads if len(heads) < len(below) else heads[:1]
    if not heads:
        return _headless(titles, below, width)
    names = [_name(heads, column) for column in range(width)]
    written = [row[0].text for row in titles]
    for title, body in _sections(below[len(heads) :], width):
        lines = [_line(_texts(row, names)) for row in body]
        if title:
            written.append(title)
        if lines:
            written.append("\n".join((_line(names), _line(["---"] * width), *lines)))
    return "\n\n".join(written)


def _headless(titles: Sequence[_Row], rows: Sequence[_Row], width: int) -> str:
    lines = [_line([*_texts(row, ()), *[""] * (width - len(row))]) for row in rows]
    table = "\n".join((lines[0], _line(["---"] * width), *lines[1:])) if lines else ""
    return "\n\n".join(filter(None, (*(row[0].text for row in titles), table)))


def _placed(cells: Sequence[GridCell], height: int) -> list[_Row]:
    """Each row's cells by column; none for a table that spans make too large."""
    rows: list[dict[int, _Cell]] = [{} for _ in range(height)]
    columns = [0] * height
    placed = 0
    for cell in cells:
        column = columns[cell.row]
        while column in rows[cell.row]:
            column += 1
        text = " ".join(cell.content.split())
        last = column + min(max(cell.col_span, 1), _MOST_COLUMNS)
        for row in range(cell.row, min(cell.row + max(cell.row_span, 1), height)):
            placed += last - column
            if placed > _MOST_CELLS:
                return []
            rows[row] |= {at: _Cell(text, column, cell.is_header) for at in range(column, last)}
        columns[cell.row] = last
    return [row for row in rows if row]


def _sections(rows: Sequence[_Row], width: int) -> Iterator[tuple[str, list[_Row]]]:
    """The rows after each title among them; the first ones have none."""
    title, section = "", list[_Row]()
    for row in rows:
        if _spans_all(row, width):
            yield title, section
            title, section = row[0].text, []
        else:
            section.append(row)
    yield title, section


def _spans_all(row: _Row, width: int) -> bool:
    return width > 1 and len(row) == width and not any(cell.first for cell in row.values())


def _is_head(row: _Row) -> bool:
    return all(cell.is_head for cell in row.values() if cell.text)


def _name(heads: Sequence[_Row], column: int) -> str:
    names = (row[column].text for row in heads if column in row)
    return " ".join(dict.fromkeys(filter(None, names)))


def _are_pairs(rows: Sequence[_Row]) -> bool:
    """Whether each row is a label, in a cell of heads, and its value.

    The converter takes any first row for a head.
    """
    flags = [[cell.is_head for cell in row.values()] for row in rows]
    is_list = len(flags) > 1 and all(row == [True, False] for row in flags[1:]) and len(flags[0]) == 2
    return is_list and not body_contrasts([[cell.text for cell in row.values()] for row in rows])


def _texts(row: _Row, names: Sequence[str]) -> Iterator[str]:
    """The row's cells; one that reaches under other names stands under each."""
    for column in range(max(len(names), len(row))):
        cell = row.get(column)
        repeated = cell and column < len(names) and names[column] not in ("", names[cell.first])
        yield cell.text if cell and (cell.first == column or repeated) else ""


def _line(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
