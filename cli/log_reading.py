"""``aegis logs``: what the parts of the local stack have written, merged by time, and on as they write."""

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import sleep
from typing import Annotated, BinaryIO

import typer

from rag.errors import NotFound
from rag.printable import one_line
from rag.settings import load

_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?")
_LOOK_SECONDS = 0.5
_MOST_BYTES = 4 << 20
"""Read from the end of a file at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line with a time, or without one the time of the line before."""

    at: str
    part: str
    line: str


def logs(
    parts: Annotated[
        list[str] | None, typer.Argument(metavar="PART", help="Such as api or worker-embed; default: all.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Of the past, at most.")] = 50,
) -> None:
    """What the parts of the stack on this machine have written."""
    files = chosen(load().home / "logs", parts or ())
    named = len(files) > 1
    entries = sorted((entry for file in files for entry in tail(file, lines)), key=lambda entry: entry.at)
    for entry in entries[-lines:] if lines else ():
        _print(entry, named=named)
    if follow:
        for entry in follow_files(files):
            _print(entry, named=named)


def chosen(folder: Path, parts: Sequence[str]) -> list[Path]:
    """The log files of ``parts``; of all where none is named, but the audit log. NotFound."""
    there = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if not there:
        raise NotFound(f"there are no logs in {folder}: no stack has run there")
    for part in parts:
        if part not in there:
            raise NotFound(f"there is no log of {part!r}; there are {', '.join(there)}")
    return [there[part] for part in parts] or [path for part, path in there.items() if part != "audit"]


def tail(path: Path, lines: int) -> list[Entry]:
    """The last lines of a file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MOST_BYTES))
        if size > _MOST_BYTES:
            file.readline()  # the rest of one that began before
        return list(deque(entries_of(path.stem, file), maxlen=lines))


def follow_files(files: Sequence[Path]) -> Iterator[Entry]:
    """What is written from now on, for ever; a file that was begun anew is read from its start."""
    tails = [_Tail(path) for path in files]
    for _ in count():
        for each in tails:
            yield from each.news()
        sleep(_LOOK_SECONDS)


class _Tail:
    """A file and how far it was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._file.seek(0, 2)
        self._rest = b""

    def news(self) -> Iterator[Entry]:
        yield from self._written()
        if self._path.exists() and self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino:
            yield from self._written()  # between the two looks
            self._file.close()
            self._file = self._path.open("rb")
            yield from self._written()

    def _written(self) -> Iterator[Entry]:
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        yield from entries_of(self._path.stem, whole)


def entries_of(part: str, lines: "Sequence[bytes] | BinaryIO") -> Iterator[Entry]:
    at = ""
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if stamp := _STAMP.match(line):
            at = stamp[0].replace("T", " ").replace(".", ",")
        yield Entry(at, part, line)


def _print(entry: Entry, *, named: bool) -> None:
    head = f"{entry.part:<14} " if named else ""
    print(f"{head}{one_line(entry.line)}", flush=True)
