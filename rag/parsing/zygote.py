"""The process that has the parsers loaded and forks a fresh, confined child for every file.

Started by :class:`rag.parsing.nursery.Nursery` as ``python -m rag.parsing.zygote`` with a
socket; single-threaded, one file at a time. It never reads a file itself, so no file can
harm it, and it ends when its owner closes the socket or dies.
"""

import argparse
import gc
import os
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
from typing import BinaryIO

import psutil

from rag import framing, isolation
from rag.errors import DocumentError, DocumentTooLarge, UnreadableDocument
from rag.forking import fork_for_answer
from rag.isolation import Confinement, Measure
from rag.parsing import limits, preloading, wire
from rag.parsing.formats import parse
from rag.ports import Chunker

_PIECE = 1 << 20
_WATCH_SECONDS = 0.1
_NEAR_LIMIT = 0.6
_LOGGED = 2000
_DEPTH = "overflowed its stack"
UNREACHING = Confinement()
_MEMORY = ("memory allocation", "out of memory", "bad_alloc", "Cannot allocate memory", "MemoryError")


@dataclass(frozen=True, slots=True)
class Bounds:
    seconds: float
    memory_bytes: int
    text_bytes: int

    @property
    def answer_bytes(self) -> int:
        """An honest answer is the text and its headings and pages."""
        return 3 * self.text_bytes + (8 << 20)


class Zygote:
    """Serves one owner over one socket."""

    def __init__(
        self,
        owner: socket.socket,
        bounds: Bounds,
        isolated: tuple[Measure, ...],
        chunker: Chunker | None = None,
    ) -> None:
        """``isolated``: what was found to hold here, which each child must be held by.

        ``chunker``: cuts what was read, in the child; without one there are no passages.
        """
        self._owner = owner
        self._chunker = chunker
        self._bounds = bounds
        self._isolated = isolated
        self._stderr: BinaryIO = tempfile.TemporaryFile(mode="a+b", buffering=0)  # noqa: SIM115 - for life

    def serve(self) -> None:
        """Answer requests until the owner goes away."""
        try:
            framing.send(self._owner, isolation.packed(self._isolated))
            while True:
                media_type = wire.receive(self._owner).decode()
                data = wire.receive(self._owner)
                framing.send(self._owner, self._answer(data, media_type))
        except ConnectionError:
            return  # the owner has gone

    def _answer(self, data: bytes, media_type: str) -> bytes:
        self._stderr.truncate(0)
        pid, reading = fork_for_answer(partial(self._live, data, media_type))
        try:
            answer = self._awaited(pid, reading)
        except DocumentTooLarge as error:
            return wire.refusal(error)
        finally:
            os.close(reading)
            status, peak_bytes = _reap(pid)
        if status == os.EX_TEMPFAIL:
            raise RuntimeError("a child could not be isolated as others were before")
        return answer if status == 0 and answer else wire.refusal(self._post_mortem(status, peak_bytes))

    def _live(self, data: bytes, media_type: str, writing: int) -> None:
        """The child's whole life."""
        limits.die_with_parent(os.getppid())
        os.setpgid(0, 0)
        self._owner.close()
        os.dup2(self._stderr.fileno(), 2)
        limits.volunteer_for_oom_killer()
        limits.confine(self._bounds.memory_bytes, int(2 * self._bounds.seconds) + 1)
        self._isolate()
        _write(writing, _answered(data, media_type, self._bounds.text_bytes, self._chunker))

    def _isolate(self) -> None:
        """Reach nothing from here on. What held when the zygote began, and does not now, ends the child."""
        known = {measure.mechanism for measure in self._isolated if not measure.holds}
        found = isolation.enter(UNREACHING, os.getppid())
        if any(measure.mechanism not in known for measure in isolation.missing(found)):
            os._exit(os.EX_TEMPFAIL)

    def _awaited(self, pid: int, reading: int) -> bytes:
        """What the child writes until it closes; DocumentTooLarge past a limit,
        ConnectionError when the owner goes away in the meantime."""
        deadline = time.monotonic() + self._bounds.seconds
        answer = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(reading, selectors.EVENT_READ)
            selector.register(self._owner, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select(self._patience(deadline))}
                if self._owner.fileno() in ready:
                    raise ConnectionError("the owner has gone")
                if reading in ready:
                    piece = os.read(reading, _PIECE)
                    if not piece:
                        return bytes(answer)
                    answer += piece
                self._check(pid, deadline, len(answer))

    def _patience(self, deadline: float) -> float:
        left = max(0.0, deadline - time.monotonic())
        return left if limits.LINUX else min(left, _WATCH_SECONDS)

    def _check(self, pid: int, deadline: float, size: int) -> None:
        if time.monotonic() >= deadline:
            raise DocumentTooLarge(f"Reading the file took longer than {self._bounds.seconds:g} s.")
        if size > self._bounds.answer_bytes:
            raise DocumentTooLarge(f"The file holds more than {self._bounds.text_bytes >> 20} MB of text.")
        if not limits.LINUX and _resident(pid) > self._bounds.memory_bytes:
            raise self._too_much_memory()

    def _too_much_memory(self) -> DocumentTooLarge:
        return DocumentTooLarge(
            f"Reading the file takes more than {self._bounds.memory_bytes >> 20} MB of memory."
        )

    def _post_mortem(self, status: int, peak_bytes: int) -> DocumentError:
        """Why a child that left no answer died."""
        self._stderr.seek(0)
        last_words = self._stderr.read(_PIECE).decode("utf-8", "replace")
        sys.stderr.write(last_words[-_LOGGED:])
        sys.stderr.flush()
        if status == -signal.SIGXCPU:
            return DocumentTooLarge(f"Reading the file took longer than {self._bounds.seconds:g} s.")
        starved = peak_bytes > _NEAR_LIMIT * self._bounds.memory_bytes
        if starved or status == -signal.SIGKILL or any(word in last_words for word in _MEMORY):
            return self._too_much_memory()
        if _DEPTH in last_words:
            return UnreadableDocument("The file is nested too deeply to be read.")
        reason = signal.Signals(-status).name if status < 0 else f"exit {status}"
        return UnreadableDocument(f"The file is broken in a way that makes its parser crash ({reason}).")


def _answered(data: bytes, media_type: str, text_bytes: int, chunker: Chunker | None) -> bytes:
    try:
        document = parse(data, media_type, text_bytes)
        return wire.packed(document, chunker.chunk(document) if chunker else ())
    except DocumentError as error:
        return wire.refusal(error)
    except RecursionError:
        return wire.refusal(UnreadableDocument("The file is nested too deeply to be read."))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a parser trips over, the file is the reason
        reason = f"{type(error).__name__}: {error}"
        return wire.refusal(UnreadableDocument(f"The file is broken and cannot be read ({reason})."))


def _write(descriptor: int, payload: bytes) -> None:
    view = memoryview(payload)
    while view:
        view = view[os.write(descriptor, view) :]


def _reap(pid: int) -> tuple[int, int]:
    """End the child, if need be, and whatever it started. Its exit code, or minus the signal that ended
    it; its peak memory.

    A child whose pipe is closed is past the point where a signal could change its status.
    """
    os.kill(pid, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):  # it leads no group yet; on macOS, of zombies
        os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    limits.end_children()
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss * (1024 if limits.LINUX else 1)


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def main(chunker_of: Callable[[int], Chunker] | None = None) -> None:
    """``chunker_of``: from the tokens of the longest passage to what cuts documents into such."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("socket", type=int)
    arguments.add_argument("owner", type=int)
    arguments.add_argument("--seconds", type=float, required=True)
    arguments.add_argument("--memory-bytes", type=int, required=True)
    arguments.add_argument("--text-bytes", type=int, required=True)
    arguments.add_argument("--chunk-tokens", type=int, required=True)
    arguments.add_argument("--die-with-owner", action="store_true")
    given = arguments.parse_args()
    network = limits.leave_network()
    limits.adopt_orphans()
    isolation.forbid_inspection()
    if given.die_with_owner:
        limits.die_with_parent(given.owner)
    chunker = chunker_of(given.chunk_tokens) if chunker_of else None
    if chunker:
        chunker.warm()
    preloading.preload()
    isolated = (network, *isolation.survey(UNREACHING))
    gc.collect()
    gc.freeze()  # children then share these pages until they end
    gc.disable()
    Zygote(
        socket.socket(fileno=given.socket),
        Bounds(given.seconds, given.memory_bytes, given.text_bytes),
        isolated,
        chunker=chunker,
    ).serve()


if __name__ == "__main__":
    main()
    sys.exit(0)
