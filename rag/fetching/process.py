"""Runs each fetch in a process of its own, which one wall clock ends from outside, whatever it does.

A fresh interpreter takes 0.2 s of processor time where a fork would take some milliseconds. In return,
nothing that one server did to a process can reach the next server's document
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
from typing import IO

from rag.errors import DocumentTooLarge, TimedOut
from rag.fetching import wire
from rag.fetching.order import Fetched, Order

_PIECE = 1 << 18
_ASK_SECONDS = 1.0  # between two calls of ``wanted``
_ENVIRONMENT = {"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}


def fetch(order: Order, wanted: Callable[[], bool] = lambda: True) -> Fetched:
    """Get the document at an http or https URL.

    ``wanted`` is called every second; when it returns False, the fetch ends. Raises what
    :meth:`rag.fetching.hops.Download.run` does, and TimedOut when the order's time is over or the document
    is no longer wanted.
    """
    deadline = time.monotonic() + order.seconds
    with _child(order) as output:
        return wire.unpacked(_receive(output, order, deadline, wanted))


@contextmanager
def _child(order: Order) -> Iterator[IO[bytes]]:
    """What the process writes. When the block ends, the process is gone with all of its group."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-B", "-m", "rag.fetching.child", str(os.getpid())],
        env={**_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a traceback could tell the URL
        process_group=0,  # no session: the kernel weighs each by itself, whatever its niceness
    )
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for mypy
    try:
        with suppress(BrokenPipeError):  # it died at once: its answer is missing
            process.stdin.write(order.packed())  # fits into the pipe, so this does not block
            process.stdin.close()
        yield process.stdout
    finally:
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _receive(output: IO[bytes], order: Order, deadline: float, wanted: Callable[[], bool]) -> bytearray:
    """What the process writes until it closes. Raises TimedOut or DocumentTooLarge past a limit."""
    answer = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
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
            piece = os.read(output.fileno(), _PIECE)
            if not piece:
                return answer
            answer += piece
            if len(answer) > wire.LINE_BYTES + order.answer_bytes:
                raise DocumentTooLarge(f"The document is larger than {order.max_bytes / 1e6:g} MB.")
