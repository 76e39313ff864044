"""Fetching in a process of its own, which one wall clock ends from outside, whatever it does.

A fresh interpreter for each fetch: it takes 0.2 s of processor time where a fork would take some
milliseconds, and so nothing that one server did to it meets the next one's document
(``docs/decisions/0027-fetching.md`` has the figures).
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rag.errors import DocumentTooLarge, TimedOut
from rag.fetching import wire
from rag.fetching.order import Fetched, Order

_PIECE = 1 << 18
_ASK_SECONDS = 1.0  # between two questions whether anybody still waits
_ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}


def fetch(order: Order, wanted: Callable[[], bool] = lambda: True) -> Fetched:
    """Get the document at an http or https URL.

    ``wanted`` is asked every second; when it says no, the fetch ends. Raises what
    :meth:`rag.fetching.hops.Download.run` does; TimedOut when the order's time is over, whatever takes
    it, and when nobody wants it any more.
    """
    deadline = time.monotonic() + order.seconds
    with _child(order) as child:
        return wire.heard(_received(child, order, deadline, wanted))


@contextmanager
def _child(order: Order) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which is gone with all of its group when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-B", "-m", "rag.fetching.child", str(os.getpid())],
        env={**_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a traceback could tell the URL
        process_group=0,  # no session: the kernel weighs each by itself, whatever its niceness
    )
    try:
        _tell(process, order.packed())
        yield process
    finally:
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _tell(process: "subprocess.Popen[bytes]", order: bytes) -> None:
    """An order fits into the pipe, so this waits for nobody."""
    assert process.stdin is not None  # noqa: S101 - for mypy: it is a pipe
    with suppress(BrokenPipeError):  # it died at once, which its missing answer tells
        process.stdin.write(order)
        process.stdin.close()


def _received(
    process: "subprocess.Popen[bytes]", order: Order, deadline: float, wanted: Callable[[], bool]
) -> bytearray:
    """What the process writes until it closes."""
    answer = bytearray()
    assert process.stdout is not None  # noqa: S101 - for mypy: it is a pipe
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        ask_at = time.monotonic() + _ASK_SECONDS
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise TimedOut(f"The document did not arrive within {order.seconds:g} s.")
            if now >= ask_at:
                ask_at = now + _ASK_SECONDS
                if not wanted():
                    raise TimedOut("Nobody waits for the document any more.")
            if not selector.select(min(deadline, ask_at) - now):
                continue
            piece = os.read(process.stdout.fileno(), _PIECE)
            if not piece:
                return answer
            answer += piece
            if len(answer) > wire.LINE_BYTES + order.answer_bytes:
                raise DocumentTooLarge(f"The document is larger than {order.max_bytes / 1e6:g} MB.")
