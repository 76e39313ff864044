"""Places that callers share: so many in all, and no caller has more than its part of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from rag.errors import Overloaded

_RETRY_SECONDS = 5.0


@dataclass(slots=True)
class Places:
    """``subject``: what they are for, as the refusal says it."""

    subject: str
    most: int
    _taken: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def taken(self, owner: str) -> Iterator[None]:
        """A place until the block ends. Overloaded."""
        if not self.has_room(owner):
            raise Overloaded(f"Too many are open at once: {self.subject}", retry_after=_RETRY_SECONDS)
        self._taken[owner] += 1
        try:
            yield
        finally:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]

    def has_room(self, owner: str) -> bool:
        return self._taken[owner] < max(1, self.most // 2) and self._taken.total() < self.most


class Turns:
    """Places for work that is soon over, ``most`` in all and ``own`` for each caller; over that, it waits.

    Threads of one interpreter take turns at it: each that computes keeps every other waiting.
    """

    def __init__(self, most: int, own: int) -> None:
        self._each = own
        self._all = asyncio.Semaphore(most)
        self._own: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def taken(self, owner: str) -> AsyncIterator[None]:
        """A place until the block ends. Of those who wait for one of all, the first gets it."""
        own = self._own.setdefault(owner, asyncio.Semaphore(self._each))
        async with own, self._all:
            yield
