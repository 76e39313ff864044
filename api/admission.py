"""The rate limit: requests a minute for each key, or for each address without keys."""

import time
from typing import Protocol

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis

from rag.errors import Overloaded
from rag.stores.redis import PREFIX, reaching_redis


class Admission(Protocol):
    async def admit(self, caller: str) -> None:
        """Count one request of ``caller``. Overloaded over the limit, Unavailable without the broker."""
        ...


class Unlimited:
    async def admit(self, caller: str) -> None:
        """Everybody, always."""


class RateLimit:
    """``per_minute`` requests in any 60 seconds, counted in Redis for all API processes together.

    A sliding window of two counters: at a minute's turn no caller gets twice the limit.
    As many questions to Redis are open at once as ``client`` may have connections; more wait.
    """

    def __init__(self, client: Redis, per_minute: int, what: str = "requests") -> None:
        """``what`` is counted: apart from anything else that is."""
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=f"{PREFIX}limits",
            connection_pool=client.connection_pool,  # type: ignore[arg-type]  # handed on to redis-py as it is
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._item = RateLimitItemPerMinute(per_minute, namespace=f"LIMITER/{what}")
        self._what = what

    async def admit(self, caller: str) -> None:
        with reaching_redis():
            if await self._limiter.hit(self._item, caller):
                return
            stats = await self._limiter.get_window_stats(self._item, caller)
        raise Overloaded(
            f"Over {self._item.amount} {self._what} a minute",
            retry_after=max(1.0, stats.reset_time - time.time()),
        )
