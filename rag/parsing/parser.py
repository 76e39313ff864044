"""Implements the parser that workers use: each file is read in a fresh, limited process.

Only :mod:`rag.parsing.small_texts` reads some in the worker.

Parsers of rich formats crash, hang and eat memory over hostile files, so no worker runs one. An
:class:`IsolatedParser` keeps a fork server: a small process without threads, started by ``exec``, that has
the parsers loaded and forks a child for each file. A fork takes some milliseconds, importing the parsers
takes a second. The child's environment is empty, so it knows no secrets.
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

from rag import isolation
from rag.errors import ConfigurationError, EmptyDocument, TimedOut, Unavailable
from rag.isolation import Measure
from rag.model import Attachment, CutDocument, ParsedDocument
from rag.parsing import wire
from rag.settings import Settings
from rag.system import framing

_START_SECONDS = 60
_GRACE_SECONDS = 30
_STOP_SECONDS = 2
_ATTEMPTS = 2
_POLL_SECONDS = 0.5
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKIO_WORKER_THREADS": "1",
}

log = logging.getLogger(__name__)


class IsolatedParser:
    """Implements :class:`rag.ports.Parser`. Thread-safe; it reads one file at a time.

    It may be made before a fork and used after it: each process gets a fork server of its own, at its
    first use.
    """

    def __init__(
        self,
        settings: Settings,
        program: str = "rag.parsing.fork_server",
        observe: Callable[[wire.ChildRun], None] = lambda _run: None,
        *,
        recognises: bool = False,
    ) -> None:
        """``program``: a module that calls :func:`rag.parsing.fork_server.main`, with a chunker where
        passages are wanted. ``observe``: is told of each child that has read a file. ``recognises``: whether
        with a recogniser too, which takes longer and more."""
        self._settings = settings
        self._observe = observe
        self._seconds = settings.ocr_timeout if recognises else settings.parse_timeout
        self._memory_mb = settings.ocr_memory_mb if recognises else settings.parse_memory_mb
        self._every_page = recognises and settings.ocr == "always"
        self._bounds = wire.AnswerBounds.of(settings)
        self._program = program
        self._server: _ForkServer | None = None
        self._reset()

    def parse(self, data: bytes, media_type: str, name: str) -> ParsedDocument:
        """The text of a file, its title, headings and pages. ``name`` is for messages.

        Raises UnsupportedMedia, UnreadableDocument, EmptyDocument, DocumentTooLarge; TimedOut or
        Unavailable when the parsing process itself fails.
        """
        return self._read(data, media_type, name, lambda: False).parsed

    def cut(
        self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool] = lambda: False
    ) -> CutDocument:
        """:meth:`parse`, and the passages as the program's chunker cuts them, all within PARSE_TIMEOUT.

        ``given_up`` is called twice a second. Once it returns True, the process is ended and TimedOut raised.
        """
        document = self._read(data, media_type, name, given_up)
        if not document.chunks:
            raise EmptyDocument("The file holds no text that makes a passage.")
        return document

    def attachments(
        self, data: bytes, name: str, given_up: Callable[[], bool] = lambda: False
    ) -> list[Attachment]:
        """The files in a mail, which another confined process takes out. Raises and ends as :meth:`cut`."""
        answer = self._answer_for(data, wire.ATTACHMENTS_OF_MAIL, name, given_up)
        return wire.unpacked_attachments(answer)

    def warm(self) -> None:
        """Where PARSE_ISOLATION is ``strict``, try now whether this system isolates.

        No fork server stays: it has 90 MB of parsers, and starts with the first file. Raises Unavailable when
        one does not start, ConfigurationError where the system lacks something.
        """
        if self._settings.parse_isolation == "strict":
            self._start().end()

    def close(self) -> None:
        """End the fork server and its child. Safe to call twice; a later use starts another one."""
        self._notice_fork()
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool]) -> CutDocument:
        return wire.unpacked(self._answer_for(data, media_type, name, given_up), self._bounds)

    def _answer_for(self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool]) -> bytes:
        self._notice_fork()
        with self._lock:
            return self._ask(data, media_type, name, given_up)

    def _ask(self, data: bytes, media_type: str, name: str, given_up: Callable[[], bool]) -> bytes:
        # A server may have died before it had this file, so the file gets a second attempt.
        for _ in range(_ATTEMPTS):
            try:
                self._server = self._server or self._start()
            except ConfigurationError as error:  # it held when the worker began, and may again
                raise Unavailable(str(error)) from error
            try:
                answer, run = self._server.ask(data, media_type, given_up)
            except TimeoutError as error:
                self._end()
                reason = "is no longer wanted" if given_up() else "took too long"
                raise TimedOut(f"{name!r} {reason}: the process that read it was ended") from error
            except ConnectionError:
                self._end()
            except BaseException:  # an interrupt in between leaves half an exchange on the socket
                self._end()
                raise
            else:
                self._observe(run)
                return answer
        raise Unavailable(f"The parsing process died twice over {name!r}, perhaps for lack of memory")

    def _start(self) -> "_ForkServer":
        settings = self._settings
        options = (
            f"--chunk-tokens={settings.chunk_tokens}",
            f"--seconds={self._seconds}",
            f"--memory-bytes={self._memory_mb << 20}",
            f"--text-bytes={settings.max_text_mb << 20}",
            f"--log-format={settings.log_format}",
            *(["--recognise-every-page"] if self._every_page else []),
        )
        server = _ForkServer.start(self._program, options, self._seconds + _GRACE_SECONDS)
        missing = _missing(server)
        if missing and settings.parse_isolation == "strict":
            server.end()
            raise ConfigurationError(
                f"PARSE_ISOLATION is strict, and this system lacks {missing}: "
                "provide what lacks (docs/reference/container.md), or set PARSE_ISOLATION=available"
            )
        if missing:
            log.warning("files are parsed with less isolation: this system lacks %s", missing)
        return server

    def _end(self) -> None:
        server, self._server = self._server, None
        if server:
            server.end()

    def _notice_fork(self) -> None:
        if self._pid != os.getpid():
            if self._server:
                self._server.disown()
            self._reset()

    def _reset(self) -> None:
        # A lock that another thread held at the fork would stay locked in the child.
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._server = None


@dataclass(frozen=True, slots=True)
class _ForkServer:
    """The owner's side of a fork server. ``isolated``: the measures that hold its children."""

    process: subprocess.Popen[bytes]
    connection: socket.socket
    seconds: float
    isolated: tuple[Measure, ...]

    @classmethod
    def start(cls, program: str, options: tuple[str, ...], seconds: float) -> "_ForkServer":
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", program, str(theirs.fileno()), str(os.getpid()), *options]
        # It would die with the thread that starts it, so only the main thread may be its parent.
        if threading.current_thread() is threading.main_thread():
            command.append("--die-with-owner")
        with theirs:
            process = subprocess.Popen(
                command,
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
            cls(process, ours, seconds, ()).end()
            raise Unavailable("The parsing process does not start; its reason is in the log") from error
        return cls(process, ours, seconds, isolated)

    def ask(self, data: bytes, media_type: str, given_up: Callable[[], bool]) -> tuple[bytes, wire.ChildRun]:
        """The answer, and its child. TimeoutError past the limit, and once the caller has given up."""
        self.connection.settimeout(self.seconds)
        framing.send(self.connection, media_type.encode(), data)
        deadline = time.monotonic() + self.seconds
        answered = select.poll()
        answered.register(self.connection, select.POLLIN)
        while not answered.poll(1000 * _POLL_SECONDS):
            if given_up() or time.monotonic() > deadline:
                raise TimeoutError
        return wire.receive(self.connection), wire.ChildRun.unpacked(wire.receive(self.connection))

    def end(self) -> None:
        self.connection.close()  # the server ends when its connection closes
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def disown(self) -> None:
        """In a forked child: close the copy of the parent's connection, and do not wait for its process."""
        self.connection.close()
        self.process.returncode = 0  # so that nobody here waits for it


def _missing(server: _ForkServer) -> str:
    return ", ".join(map(str, isolation.missing(server.isolated)))
