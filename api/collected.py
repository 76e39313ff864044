"""What is asked of other parts for whoever asks, however often: once a second."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

FRESH_SECONDS = 1.0

Answer = TypeVar("Answer")


class Collected(Generic[Answer]):
    """What ``collect`` returns, in a thread of its own, begun a second ago at most or under way.

    Whoever asks meanwhile shares it, so that any number of them costs one thread and one question.
    What ``collect`` raises is raised to all who share it, and not kept.
    """

    def __init__(self, collect: Callable[[], Answer]) -> None:
        self._collect = collect
        self._begun = 0.0
        self._latest: asyncio.Task[Answer] | None = None

    async def get(self) -> Answer:
        latest = self._latest
        if latest is None or self._is_over(latest):
            self._begun = monotonic()
            latest = self._latest = asyncio.create_task(asyncio.to_thread(self._collect))
        return await asyncio.shield(latest)  # who goes away takes it from nobody else

    def _is_over(self, latest: asyncio.Task[Answer]) -> bool:
        if not latest.done():
            return False
        failed = latest.cancelled() or latest.exception() is not None
        return failed or monotonic() - self._begun > FRESH_SECONDS
