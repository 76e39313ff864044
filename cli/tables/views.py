"""What is shown, and in which format: a table or page for people; JSON, JSON lines and TSV for programs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]
"""One item as the API answers it."""


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
