"""The parser that workers use: every file is read in a fresh, limited process.

Parsers of rich formats crash, hang and eat memory over hostile files, so no worker runs
one. A nursery keeps a zygote: a small process, started by ``exec`` and free of threads,
that has the parsers loaded and forks a child a file (some milliseconds instead of the
second that importing takes). The child's environment is empty, so it knows no secrets.
"""

import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from rag import framing, isolation
from rag.errors import ConfigurationError, EmptyDocument, TimedOut, Unavailable
from rag.isolation import Measure
from rag.model import CutDocument, ParsedDocument
from rag.parsing import wire
from rag.settings import Settings

_START_SECONDS = 60
_GRACE_SECONDS = 30
_STOP_SECONDS = 2
_ATTEMPTS = 2
_LOOK_SECONDS = 0.5
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
}

log = logging.getLogger(__name__)


class Nursery:
    """Implements :class:`rag.ports.Parser`. Thread-safe; one file at a time.

    May be made before a fork and used after it: each process gets a zygote of its own,
    at its first use or by :meth:`warm`.
    """

    def __init__(self, settings: Settings, program: str = "rag.parsing.zygote") -> None:
        """``program``: a module that calls :func:`rag.parsing.zygote.main`, with a chunker where passages
        are wanted."""
        self._settings = settings
        self._bounds = wire.Bounds(settings.max_text_mb << 20, settings.chunk_tokens)
        self._program = program
        self._zygote: _Zygote | None = None
        self._forget()

    def parse(self, data: bytes, media_type: str, name: str) -> ParsedDocument:
        """The text of a file, its title, headings and pages.

        ``name`` is for messages. Raises UnsupportedMedia,
        UnreadableDocument, EmptyDocument, DocumentTooLarge; TimedOut or Unavailable when
        the parsing process itself is in trouble.
        """
        return self._read(data, media_type, name, lambda: False).parsed

    def cut(
        self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool] = lambda: False
    ) -> CutDocument:
        """:meth:`parse`, and the passages as the program's chunker cuts them, all within PARSE_TIMEOUT.

        Once ``given_up``, the process that reads the file is ended, and TimedOut is raised.
        """
        document = self._read(data, media_type, name, given_up)
        if not document.chunks:
            raise EmptyDocument("The file holds no text that makes a passage.")
        return document

    def _read(self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool]) -> CutDocument:
        self._notice_fork()
        with self._lock:
            answer = self._ask(data, media_type, name, given_up)
        return wire.unpacked(answer, self._bounds)

    def warm(self) -> None:
        """Start the zygote now, and say what isolation this system lacks.

        Raises Unavailable when it does not start, ConfigurationError where PARSE_ISOLATION
        is ``strict`` and something lacks.
        """
        self._notice_fork()
        with self._lock:
            self._zygote = self._zygote or self._born()
            missing = tuple(isolation.missing(self._zygote.isolated))
        if missing:
            log.warning("files are parsed with less isolation: this system lacks %s", _listed(missing))

    def close(self) -> None:
        """End the zygote and the child it may have. Safe to call twice; a later use starts anew."""
        self._notice_fork()
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool]) -> bytes:
        for _ in range(_ATTEMPTS):
            try:
                self._zygote = self._zygote or self._born()
            except ConfigurationError as error:  # all held when the worker began, and may again
                raise Unavailable(str(error)) from error
            try:
                return self._zygote.ask(data, media_type, given_up)
            except TimeoutError as error:
                self._end()
                reason = "is no longer wanted" if given_up() else "took too long"
                raise TimedOut(f"{name!r} {reason}: the process that read it was ended") from error
            except ConnectionError:
                self._end()
            except BaseException:  # an interrupt in between leaves half an exchange on the socket
                self._end()
                raise
        raise Unavailable(f"The parsing process died twice over {name!r}, for want of memory perhaps")

    def _born(self) -> "_Zygote":
        settings = self._settings
        arguments = (
            self._program,
            f"--chunk-tokens={settings.chunk_tokens}",
            f"--seconds={settings.parse_timeout}",
            f"--memory-bytes={settings.parse_memory_mb << 20}",
            f"--text-bytes={settings.max_text_mb << 20}",
        )
        zygote = _Zygote.start(arguments, settings.parse_timeout + _GRACE_SECONDS)
        missing = tuple(isolation.missing(zygote.isolated))
        if missing and settings.parse_isolation == "strict":
            zygote.end()
            raise ConfigurationError(
                f"PARSE_ISOLATION is strict, and this system lacks {_listed(missing)}: "
                "provide what lacks (docs/reference/container.md), or set PARSE_ISOLATION=available"
            )
        return zygote

    def _end(self) -> None:
        zygote, self._zygote = self._zygote, None
        if zygote:
            zygote.end()

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            if self._zygote:
                self._zygote.disown()
            self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._zygote = None


@dataclass(frozen=True, slots=True)
class _Zygote:
    """The owner's side of a zygote. ``isolated``: what it found to hold of the children that it forks."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    seconds: float
    isolated: tuple[Measure, ...]

    @classmethod
    def start(cls, arguments: tuple[str, ...], seconds: float) -> "_Zygote":
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                _command(theirs.fileno(), arguments),
                env={**_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # the terminal's Ctrl-C is for the owner
            )
        ours.settimeout(_START_SECONDS)
        try:
            isolated = isolation.unpacked(wire.receive(ours))
        except (OSError, ValueError) as error:
            _end(process, ours)
            raise Unavailable("The parsing process does not start; its reason is in the log") from error
        return cls(process, ours, seconds, isolated)

    def ask(self, data: bytes, media_type: str, given_up: Callable[[], bool]) -> bytes:
        """TimeoutError past the limit, and once nobody wants the answer any more."""
        self.connection.settimeout(self.seconds)
        framing.send(self.connection, media_type.encode(), data)
        deadline = time.monotonic() + self.seconds
        answered = select.poll()
        answered.register(self.connection, select.POLLIN)
        while not answered.poll(1000 * _LOOK_SECONDS):
            if given_up() or time.monotonic() > deadline:
                raise TimeoutError
        return wire.receive(self.connection)

    def end(self) -> None:
        _end(self.process, self.connection)

    def disown(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        self.connection.close()
        self.process.returncode = 0  # so that nobody here waits for it


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listed(missing: tuple[Measure, ...]) -> str:
    return ", ".join(map(str, missing))


def _command(descriptor: int, arguments: tuple[str, ...]) -> list[str]:
    program, *options = arguments
    command = [sys.executable, "-P", "-m", program, str(descriptor), str(os.getpid())]
    # A zygote dies with the thread that started it, so only one that lasts may be its parent.
    lasting = threading.current_thread() is threading.main_thread()
    return [*command, *options, *(["--die-with-owner"] if lasting else [])]
