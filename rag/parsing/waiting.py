"""Waits for what native code computes in threads of its own and hands out as an awaitable.

``asyncio.run`` makes a selector, sockets and an executor and ends them all: 1.3 ms in a process that was just
forked. Native code asks its loop only for a future, and to call back once the result is there.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


def result_of(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """What the coroutine returns; raises what it raises. It cannot sleep, nor wait for files or sockets."""
    loop = _CallbackLoop()  # type: ignore[abstract]  # native code asks for no more of a loop
    asyncio._set_running_loop(loop)  # noqa: SLF001 - asyncio has it for those who write loops
    try:
        return loop.run_until_done(asyncio.Task(coroutine, loop=loop))
    finally:
        asyncio._set_running_loop(None)  # noqa: SLF001


class _CallbackLoop(asyncio.AbstractEventLoop):
    """Calls back in this thread, in the order in which any thread has asked for it, and does nothing else."""

    def __init__(self) -> None:
        self._callbacks: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def run_until_done(self, task: asyncio.Task[_Result]) -> _Result:
        while not task.done():
            self._callbacks.get()()
        return task.result()

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def call_soon(
        self,
        callback: Callable[[*_Arguments], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.Handle:
        context = context or copy_context()
        self._callbacks.put(partial(context.run, callback, *args))
        return asyncio.Handle(callback, args, self, context)

    call_soon_threadsafe = call_soon

    def get_debug(self) -> bool:
        return False
