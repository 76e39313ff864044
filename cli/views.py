"""The formats in which data is shown: a table or page for people; JSON, JSON lines and TSV for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cli.printing import print_json
from rag.printable import printable, steering_to_json

Row = Mapping[str, Any]
"""One item as the API answers it."""

_TSV = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    TSV = "tsv"


@dataclass(frozen=True, slots=True)
class Column:
    """``full`` is shown if every row then fits in one line, else ``brief``.

    ``brief_name``: the column's name in a brief table, if it differs. ``begins``: a brief table shows so many
    characters, or more until all rows differ. ``wraps``: the column may take several lines.
    """

    name: str
    full: Callable[[Row], str]
    brief: Callable[[Row], str] | None = None
    brief_name: str | None = None
    style: Callable[[Row], str] | None = None
    begins: int = 0
    right: bool = False
    wraps: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """``columns`` are for people; ``fields`` for programs: names of values, with dots for nested ones.

    ``none``: a sentence in place of an empty table.
    """

    columns: tuple[Column, ...]
    fields: tuple[str, ...]
    none: str


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
            from cli.tables import print_table  # noqa: PLC0415 - other formats do not need rich

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
            from cli.tables import print_page  # noqa: PLC0415 - as above

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
