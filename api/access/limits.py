"""Limits for callers: requests a minute, connections that wait, threads at work.

Each limit has a bound for the process and a smaller one for each caller, so that no caller uses it up alone.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakValueDictionary

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

from rag.errors import InvalidRequest, Overloaded
from rag.redis.connection import PREFIX, reaching_redis

_RETRY_SECONDS = 5.0


class RateLimiter(Protocol):
    async def admit(self, caller: str, count: int = 1) -> None:
        """Count requests of ``caller``: one, or as many as a batch has documents.

        Overloaded over the limit, and nothing counted; InvalidRequest for more than a minute allows;
        Unavailable without the broker.
        """
        ...


class Unlimited:
    async def admit(self, caller: str, count: int = 1) -> None:
        """Admit everybody, always."""


class RateLimit:
    """``per_minute`` requests in any 60 seconds, counted in Redis for all API processes together.

    It sends at most as many commands at once as ``client`` may have connections; further ones wait.
    """

    def __init__(self, client: Redis, per_minute: int, what: str = "requests") -> None:
        """``what`` names the counter: limits with different names are counted separately."""
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=f"{PREFIX}limits",
            connection_pool=client.connection_pool,  # type: ignore[arg-type]  # handed on to redis-py as it is
        )
        # A sliding window: a fixed one would allow twice the limit around the turn of a minute.
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._item = RateLimitItemPerMinute(per_minute, namespace=f"LIMITER/{what}")
        self._what = what

    async def admit(self, caller: str, count: int = 1) -> None:
        if count > self._item.amount:
            raise InvalidRequest(
                f"{count} documents count as so many {self._what}, of {self._item.amount} a minute: send less"
            )
        with reaching_redis():
            if await self._limiter.hit(self._item, caller, cost=count):
                return
            stats = await self._limiter.get_window_stats(self._item, caller)
        raise Overloaded(
            f"Over {self._item.amount} {self._what} a minute",
            retry_after=max(1.0, stats.reset_time - time.time()),
        )


@dataclass(slots=True)
class Quota:
    """At most ``most`` at once, and half of that for each caller. ``subject`` names them in the refusal."""

    subject: str
    most: int
    _taken: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def hold(self, owner: str) -> Iterator[None]:
        """A place until the block ends. Overloaded."""
        if not self.has_room(owner):
            raise Overloaded(f"Too many are open at once: {self.subject}", retry_after=_RETRY_SECONDS)
        self._taken[owner] += 1
        try:
            yield
        finally:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]  # callers come and go: the counter must not grow with them

    def has_room(self, owner: str) -> bool:
        return self._taken[owner] < max(1, self.most // 2) and self._taken.total() < self.most


class FairSemaphore:
    """Places for short work, ``most`` in all and ``own`` for each caller; over that, the caller waits.

    The threads of one interpreter share it, so each one that computes slows down all others.
    """

    def __init__(self, most: int, own: int) -> None:
        self._each = own
        self._all = asyncio.Semaphore(most)
        self._own: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, owner: str) -> AsyncIterator[None]:
        """A place until the block ends. Those who wait are served in the order in which they came."""
        # The own semaphore comes first: a caller who waits for it takes no place from the others.
        own = self._own.setdefault(owner, asyncio.Semaphore(self._each))
        async with own, self._all:
            yield
