"""Run asynchronous calls from synchronous code: many at once, cancelled when the caller is interrupted."""

import asyncio
from collections.abc import Coroutine, Iterable
from concurrent.futures import wait
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

_CHECK_SECONDS = 0.5
"""A signal that arrives just as a thread begins to wait does not wake it, so the wait has an end."""


class LoopThread:
    """An event loop in a thread of this process; a forked child needs one of its own.

    The thread never keeps a process from ending.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, name=name, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of ``work``. It is cancelled when the caller is interrupted, as by a time limit."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while not wait((future,), _CHECK_SECONDS).done:
                pass
            return future.result()
        finally:
            future.cancel()


async def gather(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order. Unlike ``asyncio.gather``, the first error cancels the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
