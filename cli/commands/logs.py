"""``aegis logs``: the logs of the local stack's services, merged by time; with --follow also new lines."""

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from rag.errors import NotFound
from rag.settings import load
from rag.system.printable import one_line

_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?")
_JSON_STAMP = re.compile(r'\{"time": "(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"')
_LOOK_SECONDS = 0.5
_MOST_BYTES = 4 << 20
"""At most, from the end of a file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A log line with its time. A line without a time has that of the line before."""

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
    files = log_files(load().home / "logs", parts or ())
    named = len(files) > 1
    entries = sorted((entry for file in files for entry in tail(file, lines)), key=lambda entry: entry.at)
    for entry in chain(entries[-lines:] if lines else (), follow_files(files) if follow else ()):
        head = f"{entry.part:<14} " if named else ""
        print(f"{head}{one_line(entry.line)}", flush=True)


def log_files(folder: Path, parts: Sequence[str]) -> list[Path]:
    """The log files of ``parts``. If none is named: all but the audit log. NotFound when there is none."""
    there = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if not there:
        raise NotFound(f"there are no logs in {folder}: no stack has run there")
    if parts:
        return [there[_part_of(there, part)] for part in parts]
    return [path for part, path in there.items() if part != "audit"]


def _part_of(there: Iterable[str], named: str) -> str:
    """The part of this name; for ``worker-LANE`` also the one that serves the lane with others. NotFound."""
    lane = named.removeprefix("worker-")
    serving = (part for part in there if lane in part.removeprefix("worker-").split("+"))
    found = named if named in there else next(serving, None)
    if found is None:
        raise NotFound(f"there is no log of {named!r}; there are {', '.join(there)}")
    return found


def tail(path: Path, lines: int) -> list[Entry]:
    """The last lines of a file, from its last 4 MB."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MOST_BYTES))
        if size > _MOST_BYTES:
            file.readline()  # the rest of a line that began before
        return list(deque(entries_of(path.stem, file), maxlen=lines))


def follow_files(files: Sequence[Path]) -> Iterator[Entry]:
    """What is written from now on, without end. A file that was rotated is read on from its new start."""
    tails = [_Tail(path) for path in files]
    while True:
        for each in tails:
            yield from each.new_entries()
        sleep(_LOOK_SECONDS)


class _Tail:
    """A file and the position up to which it was read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._file.seek(0, 2)
        self._rest = b""

    def new_entries(self) -> Iterator[Entry]:
        yield from self._read()
        if self._path.exists() and self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino:
            yield from self._read()  # what came to the old file since
            self._file.close()
            self._file = self._path.open("rb")
            yield from self._read()

    def _read(self) -> Iterator[Entry]:
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        yield from entries_of(self._path.stem, whole)


def entries_of(part: str, lines: Iterable[bytes]) -> Iterator[Entry]:
    """The lines of a log, each with its time."""
    at = ""
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        at = _time_of(line) or at
        yield Entry(at, part, line)


def _time_of(line: str) -> str | None:
    """The line's time as text logs have it: local, such as ``2026-11-30 16:27:00,123``. None: it has none."""
    if stamp := _STAMP.match(line):
        return stamp[0].replace("T", " ").replace(".", ",")
    if (stamp := _JSON_STAMP.match(line)) is None:
        return None
    try:
        local = datetime.fromisoformat(stamp[1]).astimezone()
    except ValueError:  # digits that are no time
        return None
    return f"{local:%Y-%m-%d %H:%M:%S},{local.microsecond // 1000:03d}"
