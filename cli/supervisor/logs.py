"""What the services print: each to a log file, and what matters to the terminal."""

import os
import re
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from io import FileIO
from pathlib import Path

from rag.system.folders import private_folder
from rag.system.log_lines import LogFormat, json_line

ROTATE_BYTES = 10 * 1024 * 1024
AUDIT_FILES = 9
"""Old audit files that are kept, about half a million entries: a flood of requests must not push out
soon what was done before."""

_AUDIT = re.compile(
    rb"[0-9-]{10} [0-9:,]{12} INFO api (?:[0-9]+ \w+ )?aegis\.audit(?::[0-9]+)? audit \{"
    rb'|\{"time": "[0-9TZ:.-]{24}", "level": "INFO", "part": "api", "logger": "aegis\.audit", '
)
_JSON_LINE = re.compile(rb'\{"time": "[0-9TZ:.-]{24}", "level": "')
_CONTROL_BYTES = bytes({*range(32), 127} - {*b"\t\n\r"})
"""Other programs may print them, and a terminal that shows the file would obey them."""

_REMEMBERED = 8
_LONGEST_LINE = 65_536  # bytes; the rest counts as the next line

_LEVEL = re.compile(r"\b(DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL|FATAL)\b")
_LEVEL_WITHIN = 100
_SEVERE = frozenset({"WARNING", "ERROR", "CRITICAL", "FATAL"})
_TRACEBACK = "Traceback (most recent call last)"
_FRAMES = re.compile(r"\s|$|Traceback |During handling |The above exception ")

_REDIS_LINE = re.compile(
    rb"\d{1,10}:[A-Z] (\d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2})\.(\d{3}) ([.*#-]) ([^\n]*\n?)\Z"
)
_REDIS_LEVELS = {b".": b"DEBUG", b"-": b"INFO", b"*": b"INFO", b"#": b"WARNING"}


def stamp() -> str:
    """The present time as :mod:`logging` writes it."""
    now = datetime.now()  # noqa: DTZ005 - logs tell local time
    return f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d}"


def note(form: LogFormat, part: str, level: str, text: str) -> str:
    """A log line by the supervisor itself, without its line break."""
    return json_line(level, part, text) if form == "json" else f"{stamp()} {level} {part} {text}"


def reformat_redis_line(service: str, line: bytes) -> bytes:
    """A line of a Redis or Valkey server, in the format of the other services; any other line unchanged."""
    found = _REDIS_LINE.match(line)
    try:
        when = datetime.strptime(found[1].decode(), "%d %b %Y %H:%M:%S") if found else None  # noqa: DTZ007 - local
    except ValueError:  # a month's name in another language
        when = None
    if found is None or when is None:
        return line
    level = _REDIS_LEVELS[found[3]]
    return b"%s,%s %s %s %s" % (str(when).encode(), found[2], level, service.encode(), found[4])


def line_as_json(service: str, line: bytes) -> bytes:
    """A line that a service wrote past its log, such as a crashing runtime's, as a JSON line of our logs.

    Lines of its log, and empty ones, stay as they are. The level is the first that the line names.
    """
    if _JSON_LINE.match(line) or not line.strip():
        return line
    redis, text = _REDIS_LINE.match(line), line.decode("utf-8", "replace").rstrip()
    if redis:
        level, text = _REDIS_LEVELS[redis[3]].decode(), redis[4].decode("utf-8", "replace").rstrip()
    else:
        named = _LEVEL.search(text, 0, _LEVEL_WITHIN)
        level = named[1] if named else "WARNING"
    return f"{json_line(level, service, text)}\n".encode()


class LogFile:
    """Appends to ``folder/name.log``, which only its owner may read.

    When it exceeds 10 MB it is renamed to ``name.log.1`` and a new file begins; ``former`` old files are
    kept. When it cannot be written (no room, or it cannot be opened), the data is dropped, and a line says so
    once it can be written again. The service must go on without its log: it would block or end if nobody
    read what it prints. ConfigurationError for a ``folder`` that cannot be made.
    """

    def __init__(self, folder: Path, name: str, former: int = 1, form: LogFormat = "text") -> None:
        self.path = private_folder(folder) / f"{name}.log"
        self._former = former
        self._form: LogFormat = form
        self._file: FileIO | None = None
        self._closed = False
        self._dropped = 0
        with suppress(OSError):
            self._file = self._open()

    def write(self, data: bytes) -> None:
        """Never raises: what cannot be written is dropped and counted."""
        wanted, written = data.translate(None, _CONTROL_BYTES), 0
        with suppress(OSError):
            if not self._closed:
                file = self._file = self._file or self._open()
                if file.tell() + len(wanted) > ROTATE_BYTES:
                    file = self._rotate(file)
                if self._dropped:
                    missing = f"{self._dropped} bytes are missing here: they could not be written"
                    gap = f"\n{note(self._form, self.path.stem, 'WARNING', missing)}\n".encode()
                    # On a full disk the note may be cut off; the next write tries again.
                    if file.write(gap) == len(gap):
                        self._dropped = 0
                written = file.write(wanted) or 0
        self._dropped += len(wanted) - written

    def close(self) -> None:
        """What is written from now on is dropped."""
        self._closed = True
        if self._file:
            self._file.close()

    def _rotate(self, file: FileIO) -> FileIO:
        """A new file. When none can be made (OSError), the open file goes on under its new name."""
        if self.path.exists():
            for number in range(self._former, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
        fresh = self._file = self._open()
        file.close()
        return fresh

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def _open(self) -> FileIO:
        return FileIO(self.path, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))


class Severity:
    """Finds warnings and errors in a service's output; of a traceback, its last line."""

    def __init__(self) -> None:
        self._severe = False
        self._in_traceback = False

    def severe(self, line: str) -> bool:
        """Whether the line belongs on the terminal. An indented line belongs to the line before it."""
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
    """One service's stdout and stderr. ``show`` takes each line that belongs on the terminal.

    ``audit``: takes the lines of the audit log, in place of ``file``. ``rewrite``: changes each line first.
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
        """The last lines, without the frames of tracebacks."""
        return list(self._last)

    @property
    def unshown(self) -> str | None:
        """The last line, unless ``show`` has had it."""
        return self._last[-1] if self._last and not self._last_shown else None

    @property
    def _is_raw(self) -> bool:
        return not (self._audit or self._rewrite)

    def feed(self, data: bytes) -> None:
        if self._is_raw:  # else line by line, in _put
            self.file.write(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._put(line + b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._put(self._rest)
            self._rest = b""

    def clear_last_lines(self) -> None:
        """A new process begins: the last lines of the one before are not its own."""
        self._last.clear()

    def close(self) -> None:
        self.file.close()
        if self._audit:
            self._audit.close()

    def end(self) -> None:
        """The process has closed its side; what comes next is from another process."""
        if self._rest:
            self._put(self._rest)
        self._rest = b""
        self._within_line = False
        self._severity = Severity()

    def _put(self, piece: bytes) -> None:
        """Take a line, or the part of one that was too long."""
        if self._rewrite:
            piece = self._rewrite(piece)
        # The rest of a line that was too long never goes to the audit log, whatever it looks like.
        begins, self._within_line = not self._within_line, not piece.endswith(b"\n")
        audited = begins and _AUDIT.match(piece) is not None
        if not self._is_raw:
            (self._audit if self._audit and audited else self.file).write(piece)
        line = piece.decode("utf-8", "replace").rstrip()
        if not line:
            return
        shown = self._severity.severe(line) or self._verbose
        if not audited and not line[0].isspace():
            self._last.append(line)
            self._last_shown = shown
        if shown:
            self._show(line)
