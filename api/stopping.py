"""Ending what only waits when the server is told to stop.

A server waits for open requests before it ends. Long polls and event streams would hold it
for their whole time and then be cut; told at once, they answer with what there is, and
their clients come back to another process.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_to_stop(tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` on the running loop when SIGTERM or SIGINT comes, and then the server's own handler.

    Does nothing outside the main thread, where signals never arrive.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    servers_own = {number: signal.getsignal(number) for number in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        own = servers_own[signal.Signals(number)]
        if callable(own):
            own(number, frame)

    for number, own in servers_own.items():
        if callable(own):
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, own in servers_own.items():
            if callable(own):
                signal.signal(number, own)
