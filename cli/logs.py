"""What the parts print: into a file each, and what matters onto the terminal."""

import os
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from io import FileIO
from pathlib import Path

from rag.folders import private_folder

ROTATE_BYTES = 10 * 1024 * 1024
AUDIT_FILES = 9
"""Kept beside the newest, so that nobody's requests push out soon what was done: half a million entries."""
_AUDIT = re.compile(rb"[0-9-]{10} [0-9:,]{12} INFO api (?:[0-9]+ \w+ )?aegis\.audit(?::[0-9]+)? audit \{")
_STEERING = bytes({*range(32), 127} - {*b"\t\n\r"})
"""What programs that are not ours may print, and a terminal that shows the file would obey."""
_REMEMBERED = 8
_LONGEST_LINE = 65_536  # bytes; what goes on behind them counts as the next line

_LEVEL = re.compile(r"\b(DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|FATAL)\b")
_LEVEL_WITHIN = 100
_SEVERE = frozenset({"WARNING", "ERROR", "CRITICAL", "FATAL"})
_TRACEBACK = "Traceback (most recent call last)"
_FRAMES = re.compile(r"\s|$|Traceback |During handling |The above exception ")


def stamp() -> str:
    """The present time as :mod:`logging` writes it."""
    now = datetime.now()  # noqa: DTZ005 - logs tell local time
    return f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d}"


class LogFile:
    """Appends to ``folder/name.log``, which nobody else may read.

    Over 10 MB it becomes ``name.log.1`` and starts anew; of such ``former`` are kept. What cannot be
    written, for lack of room or since the file cannot be opened, is left out, and a line says so when it
    can be again: a part goes on without its log, and would end with it, since nobody took any more what
    it prints. ConfigurationError for a ``folder`` that cannot be made.
    """

    def __init__(self, folder: Path, name: str, former: int = 1) -> None:
        self.path = private_folder(folder) / f"{name}.log"
        self._former = former
        self._file: FileIO | None = None
        self._closed = False
        self._left_out = 0
        with suppress(OSError):
            self._file = self._opened()

    def write(self, data: bytes) -> None:
        """Never raises."""
        wanted = data.translate(None, _STEERING)
        try:
            written = 0 if self._closed else self._append(wanted)
        except OSError:
            written = 0
        self._left_out += len(wanted) - written

    def close(self) -> None:
        """What is written from now on is left out."""
        self._closed = True
        if self._file:
            self._file.close()

    def _append(self, data: bytes) -> int:
        """How much of it was written; raises OSError where nothing can be."""
        file = self._file = self._file or self._opened()
        if file.tell() + len(data) > ROTATE_BYTES:
            file = self._rotate(file)
        if self._left_out:
            self._tell_of_gap(file)
        return file.write(data) or 0

    def _tell_of_gap(self, file: FileIO) -> None:
        """Raises OSError while there is no room."""
        missing = f"{self._left_out} bytes are missing here: they could not be written"
        gap = f"\n{stamp()} WARNING {self.path.stem} {missing}\n".encode()
        if file.write(gap) == len(gap):
            self._left_out = 0

    def _rotate(self, file: FileIO) -> FileIO:
        """Where no new file can be made, the one that is open goes on under its new name."""
        if self.path.exists():
            for number in range(self._former, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
        fresh = self._file = self._opened()
        file.close()
        return fresh

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def _opened(self) -> FileIO:
        return FileIO(self.path, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))


class Severity:
    """Tells a part's warnings and errors from its chatter; of a traceback, its last line."""

    def __init__(self) -> None:
        self._severe = False
        self._in_traceback = False

    def severe(self, line: str) -> bool:
        if self._in_traceback:
            self._in_traceback = _FRAMES.match(line) is not None
            return not self._in_traceback
        if line.startswith(_TRACEBACK):
            self._in_traceback = True
            return False
        level = _LEVEL.search(line, 0, _LEVEL_WITHIN)
        if level:
            self._severe = level[1] in _SEVERE
        elif not line[:1].isspace():
            self._severe = False
        return self._severe


class Output:
    """One part's stdout and stderr. ``show`` takes each line that belongs on the terminal.

    ``audit``: where the lines of the audit log go, instead of into ``file``. ``rewrite``: what becomes of
    each line before anything else.
    """

    def __init__(
        self,
        file: LogFile,
        show: Callable[[str], None],
        *,
        verbose: bool = False,
        audit: LogFile | None = None,
        rewrite: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.file = file
        self._rewrite = rewrite
        self._audit = audit
        self._within_line = False
        self._show = show
        self._verbose = verbose
        self._severity = Severity()
        self._rest = b""
        self._last: deque[str] = deque(maxlen=_REMEMBERED)
        self._last_shown = False

    @property
    def last_lines(self) -> list[str]:
        """What was printed last, without the frames of tracebacks."""
        return list(self._last)

    def feed(self, data: bytes) -> None:
        if self._as_it_comes:
            self.file.write(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._put(line + b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._put(self._rest)
            self._rest = b""

    @property
    def unshown(self) -> str | None:
        """The line that was printed last, where ``show`` has not had it."""
        return self._last[-1] if self._last and not self._last_shown else None

    def forget(self) -> None:
        """A process begins, and what another one printed is none of its last lines."""
        self._last.clear()

    def close(self) -> None:
        self.file.close()
        if self._audit:
            self._audit.close()

    def end(self) -> None:
        """The process has closed its side; what comes next is another process's."""
        if self._rest:
            self._put(self._rest)
        self._rest = b""
        self._within_line = False
        self._severity = Severity()

    @property
    def _as_it_comes(self) -> bool:
        return not (self._audit or self._rewrite)

    def _put(self, piece: bytes) -> None:
        """A line, or as much of one as was waited for."""
        if self._rewrite:
            piece = self._rewrite(piece)
        audited = self._is_audited(piece)
        if not self._as_it_comes:
            (self._audit if self._audit and audited else self.file).write(piece)
        self._take(piece, remembered=not audited)

    def _is_audited(self, piece: bytes) -> bool:
        """What goes on a line that was too long belongs to no audit log, whatever it says."""
        begins, self._within_line = not self._within_line, not piece.endswith(b"\n")
        return begins and _AUDIT.match(piece) is not None

    def _take(self, raw: bytes, *, remembered: bool) -> None:
        line = raw.decode("utf-8", "replace").rstrip()
        if not line:
            return
        shown = self._severity.severe(line) or self._verbose
        if remembered and not line[0].isspace():
            self._last.append(line)
            self._last_shown = shown
        if shown:
            self._show(line)
