"""Runs the process that has the parsers loaded and forks a fresh, confined child for every file.

:class:`rag.parsing.parser.IsolatedParser` starts it as ``python -m rag.parsing.fork_server`` with a socket.
It has one thread and serves one file at a time. It never reads a file itself, so no file can harm it, and it
ends when its owner closes the socket or dies.
"""

import argparse
import encodings
import gc
import importlib
import logging
import os
import pkgutil
import re
import resource
import selectors
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

import psutil

from rag import isolation
from rag.errors import DocumentError, DocumentTooLarge, UnreadableDocument
from rag.isolation import Confinement, Measure, limits
from rag.isolation.forking import fork_for_answer
from rag.isolation.kernel import LINUX
from rag.parsing import charsets, extraction, mail, wire
from rag.parsing.formats import parse
from rag.parsing.huge_pages import take_huge_pages
from rag.parsing.recognition import Recognition
from rag.ports import Chunker, Recogniser
from rag.system import framing
from rag.system.log_lines import LogOptions
from rag.system.log_setup import log_to_stderr

_PIECE = 1 << 20
_WATCH_SECONDS = 0.1
_NEAR_LIMIT = 0.6
_LOGGED = 2000
_MOST_PLACES = 8
_PLACES = re.compile(r"[\w./-]{1,200}\.(?:rs:\d{1,6}:\d{1,4}|py\", line \d{1,6})")
"""Places in the code of Rust and of Python, as a panic and a traceback name them."""

_DEPTH = "overflowed its stack"
_TOO_DEEP = "The file is nested too deeply to be read."
_NO_ACCESS = Confinement()
_MEMORY = ("memory allocation", "out of memory", "bad_alloc", "Cannot allocate memory", "MemoryError")
_WINDOWS_CODECS = frozenset({"mbcs", "oem"})
_IMPORTED_LATE = (
    "asyncio.unix_events",
    "email.feedparser",
    "email.generator",
    "email.headerregistry",
    "email.iterators",
    "email.parser",
    "html.entities",
    "linecache",
    "stringprep",
    "traceback",
)
"""What parsers import when they first need it."""


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """The limits for reading one file."""

    seconds: float
    memory_bytes: int
    text_bytes: int

    @property
    def answer_bytes(self) -> int:
        """The most bytes of an answer: the text, its headings and its pages."""
        return 3 * self.text_bytes + (8 << 20)

    def check(self, pid: int, deadline: float, answer_bytes: int) -> None:
        """Raise DocumentTooLarge past a limit. ``deadline``: by the monotonic clock."""
        if time.monotonic() >= deadline:
            raise self.too_long()
        if answer_bytes > self.answer_bytes:
            raise DocumentTooLarge(f"The file holds more than {self.text_bytes >> 20} MB of text.")
        if not LINUX:  # there the kernel does not enforce the limit of memory
            with suppress(psutil.Error):  # the child has ended
                if psutil.Process(pid).memory_info().rss > self.memory_bytes:
                    raise self.too_much_memory()

    def too_long(self) -> DocumentTooLarge:
        return DocumentTooLarge(f"Reading the file took longer than {self.seconds:g} s.")

    def too_much_memory(self) -> DocumentTooLarge:
        return DocumentTooLarge(f"Reading the file takes more than {self.memory_bytes >> 20} MB of memory.")


class ForkServer:
    """Serves one owner over one socket."""

    def __init__(
        self,
        owner: socket.socket,
        parse_limits: ParseLimits,
        isolated: tuple[Measure, ...],
        chunker: Chunker | None = None,
        recognition: Callable[[], Recognition] | None = None,
    ) -> None:
        """``isolated``: the measures that hold here, and that each child must take too.

        ``chunker``: cuts the text into passages, in the child; without one there are no passages.
        ``recognition``: made for each file, since its time begins then; without it no picture is read.
        """
        self._owner = owner
        self._recognition = recognition
        self._chunker = chunker
        self._limits = parse_limits
        self._isolated = isolated
        self._stderr: BinaryIO = tempfile.TemporaryFile(mode="a+b", buffering=0)  # noqa: SIM115 - for life

    def serve(self) -> None:
        """Answer requests until the owner closes the socket."""
        with suppress(ConnectionError):
            framing.send(self._owner, isolation.packed(self._isolated))
            while True:
                media_type = wire.receive(self._owner).decode()
                data = wire.receive(self._owner)
                framing.send(self._owner, *self._answer(data, media_type))

    def _answer(self, data: bytes, media_type: str) -> tuple[bytes, bytes]:
        """The frames of an answer."""
        self._stderr.truncate(0)
        began, answer, refused = time.time(), b"", None
        pid, reading = fork_for_answer(partial(self._run_child, data, media_type))
        try:
            answer = self._receive(pid, reading)
        except DocumentTooLarge as error:
            refused = error
        finally:
            os.close(reading)
            status, usage = _reap(pid)
        run = _run_of(began, usage)
        if refused is None and status == os.EX_TEMPFAIL:
            raise RuntimeError("a child could not be isolated as others were before")
        if refused or status != 0 or not answer:
            answer = wire.refusal(refused or self._cause_of_death(status, run.peak_bytes))
        return answer, run.packed()

    def _run_child(self, data: bytes, media_type: str, writing: int) -> None:
        limits.die_with_parent(os.getppid())
        os.setpgid(0, 0)
        self._owner.close()
        os.dup2(self._stderr.fileno(), 2)
        limits.volunteer_for_oom_killer()
        limits.confine(self._limits.memory_bytes, int(2 * self._limits.seconds) + 1)
        known = {measure.mechanism for measure in self._isolated if not measure.holds}
        found = isolation.enter(_NO_ACCESS, os.getppid())
        # A measure that held when the server began must hold in every child.
        if any(measure.mechanism not in known for measure in isolation.missing(found)):
            os._exit(os.EX_TEMPFAIL)
        # The pipe stays open until the child has ended: the server kills the child at its end.
        with os.fdopen(writing, "wb", closefd=False) as pipe:
            pipe.write(_answer(partial(self._read, data, media_type)))

    def _read(self, data: bytes, media_type: str) -> bytes:
        """The attachments, or the document and its chunks. DocumentError."""
        if media_type == wire.ATTACHMENTS_OF_MAIL:
            return wire.packed_attachments(mail.attachments(data))
        recognition = self._recognition() if self._recognition else None
        document = parse(data, media_type, self._limits.text_bytes, recognition)
        return wire.packed(document, self._chunker.chunk(document) if self._chunker else ())

    def _receive(self, pid: int, reading: int) -> bytes:
        """The bytes that the child writes until it closes its pipe.

        Raises DocumentTooLarge past a limit, ConnectionError when the owner closes the socket before.
        """
        deadline = time.monotonic() + self._limits.seconds
        answer = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(reading, selectors.EVENT_READ)
            selector.register(self._owner, selectors.EVENT_READ)
            while True:
                left = max(0.0, deadline - time.monotonic())
                ready = {key.fd for key, _ in selector.select(left if LINUX else min(left, _WATCH_SECONDS))}
                if self._owner.fileno() in ready:
                    raise ConnectionError("the owner has gone")
                if reading in ready:
                    piece = os.read(reading, _PIECE)
                    if not piece:
                        return bytes(answer)
                    answer += piece
                self._limits.check(pid, deadline, len(answer))

    def _cause_of_death(self, status: int, peak_bytes: int) -> DocumentError:
        """Why a child ended without an answer, by its status, its memory and what it wrote to stderr."""
        self._stderr.seek(0)
        messages = self._stderr.read(_PIECE).decode("utf-8", "replace")
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        log.warning("a parser ended with %s and %d MB; %s", how, peak_bytes >> 20, places_of(messages))
        if status == -signal.SIGXCPU:
            return self._limits.too_long()
        # An allocation that fails leaves the peak somewhat below the limit.
        near_limit = peak_bytes > _NEAR_LIMIT * self._limits.memory_bytes
        if near_limit or status == -signal.SIGKILL or any(word in messages for word in _MEMORY):
            return self._limits.too_much_memory()
        if _DEPTH in messages:
            return UnreadableDocument(_TOO_DEEP)
        return UnreadableDocument(f"The file is broken in a way that makes its parser crash ({how}).")


def places_of(messages: str) -> str:
    """The places in code that a crashing parser names. Its other words may be those of the document."""
    found = dict.fromkeys(each[0] for each in islice(_PLACES.finditer(messages[-_LOGGED:]), _MOST_PLACES))
    return f"it names {', '.join(found)}" if found else "it names no place in its code"


def _answer(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except DocumentError as error:
        return wire.refusal(error)
    except RecursionError:
        return wire.refusal(UnreadableDocument(_TOO_DEEP))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a parser trips over, the file is the reason
        reason = f"{type(error).__name__}: {error}"
        return wire.refusal(UnreadableDocument(f"The file is broken and cannot be read ({reason})."))


def _run_of(began: float, usage: resource.struct_rusage) -> wire.ChildRun:
    """What a child that has ended took."""
    peak_bytes = usage.ru_maxrss * (1024 if LINUX else 1)
    return wire.ChildRun(began, time.time(), usage.ru_utime + usage.ru_stime, peak_bytes)


def _reap(pid: int) -> tuple[int, resource.struct_rusage]:
    """End the child and all processes that it started.

    Returns its exit code, or minus the signal that ended it, and what it took.
    """
    # A child that closed its pipe has ended, and then no signal can change its status.
    os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):  # it leads no group yet; on macOS, of zombies
        os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    limits.end_children()
    return os.waitstatus_to_exitcode(status), usage


def preload() -> None:
    """Load what parsers load when they first need it: a confined child can open no file.

    A document may be in any encoding, so all codecs are loaded (a fifth of a second, some MB).
    """
    for module in pkgutil.iter_modules(encodings.__path__):
        if module.name not in _WINDOWS_CODECS:
            importlib.import_module(f"encodings.{module.name}")
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    charsets.warm()
    extraction.warm()


def main(
    chunker_of: Callable[[int], Chunker] | None = None, recogniser_of: Callable[[], Recogniser] | None = None
) -> None:
    """Run the fork server. ``chunker_of`` makes a chunker whose longest passage has so many tokens.

    ``recogniser_of`` makes what recognises the text of pictures, once, before children are forked.
    """
    arguments = argparse.ArgumentParser()
    arguments.add_argument("socket", type=int)
    arguments.add_argument("owner", type=int)
    arguments.add_argument("--seconds", type=float, required=True)
    arguments.add_argument("--memory-bytes", type=int, required=True)
    arguments.add_argument("--text-bytes", type=int, required=True)
    arguments.add_argument("--chunk-tokens", type=int, required=True)
    arguments.add_argument("--log-format", choices=("json", "text"), default="text")
    arguments.add_argument("--die-with-owner", action="store_true")
    arguments.add_argument("--recognise-every-page", action="store_true")
    given = arguments.parse_args()
    log_to_stderr(LogOptions("parser", given.log_format, lane="parse"), logging.INFO)
    network = isolation.leave_network()
    limits.adopt_orphans()
    isolation.forbid_inspection()
    if given.die_with_owner:
        limits.die_with_parent(given.owner)
    chunker = chunker_of(given.chunk_tokens) if chunker_of else None
    if chunker:
        chunker.warm()
    recognition = None
    if recogniser_of:
        recognition = partial(
            Recognition.within, given.seconds, recogniser_of(), every_page=given.recognise_every_page
        )
    preload()
    isolated = (network, *isolation.survey(_NO_ACCESS))
    gc.collect()
    gc.freeze()  # children then share these pages until they end
    gc.disable()
    take_huge_pages()
    parse_limits = ParseLimits(given.seconds, given.memory_bytes, given.text_bytes)
    ForkServer(socket.socket(fileno=given.socket), parse_limits, isolated, chunker, recognition).serve()


if __name__ == "__main__":
    main()
    sys.exit(0)
