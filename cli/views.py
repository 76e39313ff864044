"""Data as the command line shows it: what a list's columns and a page's facts are, in every format."""

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
    """``full`` is shown where there is room for all rows in one line each, ``brief`` elsewhere.

    ``brief_name``: of the column then, where it is another; ``begins``: in brief it has so many characters,
    or more until no two rows have the same; ``wraps``: it may take several lines, while others stay whole.
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
    """``columns`` are for people, ``fields`` for programs: paths of values, dots lead into nested ones.

    ``none``: what is said instead of a table without rows.
    """

    columns: tuple[Column, ...]
    fields: tuple[str, ...]
    none: str


def show_rows(rows: Iterable[Row], view: View, form: Format) -> None:
    """A list on standard output. JSON lines and TSV come as the rows do."""
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
            from cli.tables import print_table  # noqa: PLC0415 - other formats do without rich

            print_table(list(rows), view, sys.stdout)


def show_one(found: Row, form: Format, page: Callable[[Row], Iterable[tuple[str, str]]]) -> None:
    """One thing on standard output; ``page`` has its facts for people, TSV every value by its path."""
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
    """None where the path leads nowhere."""
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
    """As JSON has it, but texts bare and null empty; a tab or a line break within is ``\\t`` or ``\\n``."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return printable(text.translate(_TSV))
