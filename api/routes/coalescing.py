"""Request coalescing: what many callers ask for at once is found once, and kept for a second."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

FRESH_SECONDS = 1.0

Result = TypeVar("Result")


class Coalesced(Generic[Result]):
    """The result of ``collect``, which runs in a thread: that of a run under way, or at most a second old.

    Any number of callers costs one thread and one run. An exception of ``collect`` is raised for all who wait
    for that run, and not kept.
    """

    def __init__(self, collect: Callable[[], Result]) -> None:
        self._collect = collect
        self._begun = 0.0
        self._latest: asyncio.Task[Result] | None = None

    async def get(self) -> Result:
        latest = self._latest
        if latest is not None and latest.done():
            failed = latest.cancelled() or latest.exception() is not None
            if failed or monotonic() - self._begun > FRESH_SECONDS:
                latest = None
        if latest is None:
            self._begun = monotonic()
            latest = self._latest = asyncio.create_task(asyncio.to_thread(self._collect))
        return await asyncio.shield(latest)  # a caller who leaves must not cancel the others' run
