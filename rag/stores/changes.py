"""Who waits for a job, and the one subscription of a process that wakes them.

Messages carry a job's id and nothing else: whoever wakes up reads the record. So a lost
message costs a delay, never a wrong answer, and after every new subscription all are
woken, because something may have happened while nobody listened.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from rag.errors import Overloaded
from rag.stores.redis import CHANGES, ENDS, connect_async

_QUIET_SECONDS = 10.0
_FIRST_RETRY, _LONGEST_RETRY = 0.1, 5.0

log = logging.getLogger(__name__)


class Watch:
    """One waiter's interest in some jobs; ``every`` change of them, or their ends alone."""

    def __init__(self, *, every: bool) -> None:
        self.every = every
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """True as soon as the job may have changed since the last wait, False after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    def wake(self) -> None:
        self._news.set()


class ChangeFeed:
    """Changes of jobs in the server at ``url``, for the event loop that first watches one.

    Most waiters want a job's end, one message a job; the many messages of a job's way are
    subscribed to only while somebody follows one.

    The connection is opened by the first watch and made again whenever it is lost; a
    server that is away makes waits end late, and raises nothing here.
    """

    def __init__(self, url: str, *, limit: int = 10_000) -> None:
        self._client = connect_async(url, health_check=0)
        self._limit = limit
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)
        self._count = 0
        self._following = 0
        self._pubsub: PubSub | None = None
        self._hears_all = False
        self._listener: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @asynccontextmanager
    async def watch(self, *job_ids: str, every: bool = True) -> AsyncIterator[Watch]:
        """Enter, then read the records, then wait: no change in between is missed.

        Overloaded when ``limit`` others watch already. After ``close`` waits end at once.
        """
        if self._count >= self._limit:
            raise Overloaded("Too many clients wait for jobs here", retry_after=5)
        watch = Watch(every=every)
        for job_id in job_ids:
            self._watches[job_id].add(watch)
        self._count += 1
        self._following += every
        self._listen()
        try:
            await self._tune()
            yield watch
        finally:
            self._count -= 1
            self._following -= every
            self._forget(job_ids, watch)
            await self._tune()

    def _forget(self, job_ids: Iterable[str], watch: Watch) -> None:
        for job_id in job_ids:
            self._watches[job_id].discard(watch)
            if not self._watches[job_id]:
                del self._watches[job_id]

    async def close(self) -> None:
        """Stop listening and wake everyone."""
        self._closed.set()
        while self._listener is not None and not self._listener.done():
            self._listener.cancel()  # a driver that times out in this very moment swallows it
            await asyncio.wait([self._listener], timeout=0.2)
        self._wake_all()
        await self._client.aclose()

    def _listen(self) -> None:
        if self._closed.is_set():
            self._wake_all()
        elif self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._follow(), name="change-feed")

    async def _tune(self) -> None:
        """Hear of every change while somebody follows one. All are woken once it is heard."""
        pubsub = self._pubsub
        if pubsub is None or bool(self._following) == self._hears_all:
            return  # not connected yet: then the new connection sees to it
        self._hears_all = bool(self._following)
        try:
            await (pubsub.subscribe(CHANGES) if self._hears_all else pubsub.unsubscribe(CHANGES))
        except (RedisError, OSError) as error:  # the listener notices too, and connects again
            log.info("the subscription could not be changed: %s", error)

    async def _follow(self) -> None:
        """Subscribe, again and again until closed: a cancellation may surface as a lost connection."""
        delay = _FIRST_RETRY
        while not self._closed.is_set():
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(ENDS)
                    self._pubsub, self._hears_all = pubsub, False
                    await self._tune()
                    async for message in _messages(pubsub):
                        delay = _FIRST_RETRY
                        self._hear(message)
            except (RedisError, OSError) as error:
                if self._closed.is_set():
                    return
                log.warning("changes of jobs are not heard of, trying again: %s", error)
            finally:
                self._pubsub = None
            await asyncio.sleep(random.uniform(delay / 2, delay))  # noqa: S311 - no secret hangs on it
            delay = min(2 * delay, _LONGEST_RETRY)

    def _hear(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "subscribe":
            self._wake_all()
        elif message["type"] == "message":
            over = message["channel"].decode() == ENDS
            for watch in self._watches.get(message["data"].decode(), ()):
                if over or watch.every:
                    watch.wake()

    def _wake_all(self) -> None:
        for watches in self._watches.values():
            for watch in watches:
                watch.wake()


async def _messages(pubsub: PubSub) -> AsyncIterator[Mapping[str, Any]]:
    """What comes in. Asks after a silence, and raises ConnectionError when that stays unanswered too."""
    asked = False
    while True:
        message = await pubsub.get_message(timeout=_QUIET_SECONDS)
        if message is not None:
            asked = False
            yield message
        elif asked:
            raise ConnectionError("Redis is silent")
        else:
            await pubsub.ping()
            asked = True
