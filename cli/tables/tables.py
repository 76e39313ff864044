"""Tables and pages for people: within the width of a terminal; a file or pipe gets whole lines."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cli.tables.printing import print_json
from cli.tables.views import Column, Format, Row, View
from rag.system.printable import one_line, printable, steering_to_json

_TSV = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def show_rows(rows: Iterable[Row], view: View, form: Format) -> None:
    """Print a list. JSON lines and TSV are printed row by row, as the rows come."""
    match form:
        case Format.JSON:
            print_json(list(rows))
        case Format.JSONL:
            for row in rows:
                print(_line(row))
        case Format.TSV:
            print(*view.fields, sep="\t")
            for row in rows:
                print(*(_cell(_value(row, field)) for field in view.fields), sep="\t")
        case Format.TABLE:
            print_table(list(rows), view, sys.stdout)


def show_one(found: Row, form: Format, page: Callable[[Row], Iterable[tuple[str, str]]]) -> None:
    """Print one thing. ``page``: its facts for people. TSV has every value with its path."""
    match form:
        case Format.JSON:
            print_json(found)
        case Format.JSONL:
            print(_line(found))
        case Format.TSV:
            for path, value in _leaves(found):
                print(path, _cell(value), sep="\t")
        case Format.TABLE:
            print_page(page(found), sys.stdout)


def _line(row: Row) -> str:
    return steering_to_json(json.dumps(row, ensure_ascii=False))


def _value(row: Row, path: str) -> Any:
    """None where the path does not exist."""
    found: Any = row
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _leaves(found: Row, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}.")
        else:
            yield printable(path).translate(_TSV), value


def _cell(value: Any) -> str:
    """As JSON, but texts without quotes, null empty, and tabs and line breaks as ``\\t`` and ``\\n``."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return printable(text.translate(_TSV))


_GAP = 2
_LEAST = 14
"""Characters that a wrapped column has at least: with less it is hard to read."""

_ENDLESS = 1_000_000
"""Columns of a file or pipe, where a program reads the lines."""


def print_table(rows: Sequence[Row], view: View, out: IO[str]) -> None:
    """Columns that are empty in every row are left out."""
    console = console_on(out)
    if not rows:
        print(view.none, file=out)
        return
    print_on(console, table_of(rows, view, console.width), out)


def table_of(rows: Sequence[Row], view: View, width: int) -> Table:
    """A full table if it fits into ``width``, else a brief one, else a page for each row."""
    columns, cells = _filled(view.columns, rows, brief=False)
    if _width(columns, cells) > width:
        columns, cells = _filled(view.columns, rows, brief=True)
        if _width(columns, cells, _LEAST) > width:
            return _pages(columns, cells)
    return _table(columns, cells, rows)


def print_page(facts: Iterable[tuple[str, str]], out: IO[str]) -> None:
    """A line or more for each fact; facts without a value are left out."""
    table = _page()
    for name, value in facts:
        if value:
            table.add_row(Text(one_line(name)), Text(printable(value)))
    print_on(console_on(out), table, out)


def console_on(out: IO[str]) -> Console:
    """As wide as the terminal; for a file or pipe without limit, unless COLUMNS is set."""
    console = Console(file=out, highlight=False)
    if not console.is_terminal and "COLUMNS" not in console._environ:  # noqa: SLF001
        console.width = _ENDLESS
    return console


def _filled(
    columns: Sequence[Column], rows: Sequence[Row], *, brief: bool
) -> tuple[list[Column], list[list[str]]]:
    """The columns that are not empty, and their cells, a list for each column."""
    if brief:
        columns = [_in_brief(column, rows) for column in columns]
    cells = [(column, [one_line(column.full(row)) for row in rows]) for column in columns]
    kept = [(column, texts) for column, texts in cells if any(texts)]
    return [column for column, _ in kept], [texts for _, texts in kept]


def _in_brief(column: Column, rows: Sequence[Row]) -> Column:
    if not column.begins:
        return replace(column, name=column.brief_name or column.name, full=column.brief or column.full)
    texts = {column.full(row) for row in rows}
    longest = max(map(len, texts), default=column.begins)
    lengths = range(column.begins, longest)
    # The shortest beginnings that still tell all rows apart.
    length = next((each for each in lengths if len({text[:each] for text in texts}) == len(texts)), longest)
    return replace(column, full=lambda row: column.full(row)[:length])


def _width(columns: Sequence[Column], cells: Sequence[Sequence[str]], longest: int = _ENDLESS) -> int:
    """The width of a table in which columns that wrap are at most ``longest`` wide."""
    widths = (
        min(max(map(cell_len, (column.name, *texts))), longest if column.wraps else _ENDLESS)
        for column, texts in zip(columns, cells, strict=True)
    )
    return sum(widths) + _GAP * (len(columns) - 1)


def _pages(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> Table:
    table = _page()
    for number, row in enumerate(zip(*cells, strict=True)):
        if number:
            table.add_row()
        for column, text in zip(columns, row, strict=True):
            if text:
                table.add_row(Text(column.name), Text(text))
    return table


def _page() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    return table


def _table(columns: Sequence[Column], cells: Sequence[Sequence[str]], rows: Sequence[Row]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in columns:
        table.add_column(
            column.name,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for number, row in enumerate(rows):
        texts = zip(columns, cells, strict=True)
        table.add_row(
            *(Text(text[number], style=column.style(row) if column.style else "") for column, text in texts)
        )
    return table


def print_on(console: Console, table: RenderableType, out: IO[str]) -> None:
    """Print on ``out``, which ``console`` writes to.

    A file or pipe gets no colours, and no spaces at the end of lines.
    """
    if console.is_terminal:
        console.print(table)
        return
    # rich would pad every line to the console's width, which may be a million columns.
    console.width = min(console.width, max(1, console.measure(table).maximum))
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip(), file=out)
