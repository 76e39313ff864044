"""Notifications of job changes: waiters, and the one subscription of a process that wakes them.

A message contains only a job's id; a waiter that wakes up reads the record. So a lost
message costs a delay, never a wrong answer. After every new subscription all waiters are
woken, because something may have happened while the process was not subscribed.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from rag.errors import Overloaded
from rag.redis.connection import CHANGES, ENDS, connect_async

_QUIET_SECONDS = 10.0
_FIRST_RETRY, _LONGEST_RETRY = 0.1, 5.0

log = logging.getLogger(__name__)


class Watch:
    """One waiter for ``jobs``: for ``every`` change of them, or only for their ends."""

    def __init__(self, *, every: bool) -> None:
        self.every = every
        self.jobs: set[str] = set()
        self._changed = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """True as soon as the job may have changed since the last wait; False after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def wake(self) -> None:
        self._changed.set()


class ChangeFeed:
    """Changes of jobs on the server at ``url``, for the event loop that first watches one.

    Most waiters want only a job's end, which is one message per job. The many messages about a job's
    progress are subscribed to only while somebody follows one.

    The first watch opens the connection; it is opened again whenever it is lost. While the
    server is away, waits end late and nothing is raised here.
    """

    def __init__(self, url: str, *, limit: int = 10_000) -> None:
        self._client = connect_async(url, health_check=0)
        self._limit = limit
        self._watches: defaultdict[str, set[Watch]] = defaultdict(set)
        self._count = 0
        self._following = 0
        self._pubsub: PubSub | None = None
        self._subscribed_to_all = False
        self._listener: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()

    @asynccontextmanager
    async def watch(self, *job_ids: str, every: bool = True) -> AsyncIterator[Watch]:
        """Enter, then read the records, then wait: then no change in between is missed.

        Overloaded when there are ``limit`` waiters already. After ``close`` waits end at once.
        """
        if self._count >= self._limit:
            raise Overloaded("Too many clients wait for jobs here", retry_after=5)
        watch = Watch(every=every)
        self.add(watch, *job_ids)
        self._count += 1
        self._following += every
        if self._closed.is_set():
            self._wake_all()
        elif self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="change-feed")
        try:
            await self._update_subscription()
            yield watch
        finally:
            self._count -= 1
            self._following -= every
            self.remove(watch, *watch.jobs)
            await self._update_subscription()

    def add(self, watch: Watch, *job_ids: str) -> None:
        """Let ``watch``, until it is left, wait for these jobs too."""
        watch.jobs.update(job_ids)
        for job_id in job_ids:
            self._watches[job_id].add(watch)

    def remove(self, watch: Watch, *job_ids: str) -> None:
        """Let ``watch`` no longer wait for these jobs."""
        watch.jobs.difference_update(job_ids)
        for job_id in job_ids:
            self._watches[job_id].discard(watch)
            if not self._watches[job_id]:
                del self._watches[job_id]

    async def close(self) -> None:
        """Stop listening and wake all waiters."""
        self._closed.set()
        while self._listener is not None and not self._listener.done():
            self._listener.cancel()  # may be lost: a driver that times out at this moment swallows it
            await asyncio.wait([self._listener], timeout=0.2)
        self._wake_all()
        await self._client.aclose()

    async def _update_subscription(self) -> None:
        """Subscribe to every change while somebody follows a job; all are woken once that is confirmed."""
        pubsub = self._pubsub
        if pubsub is None or bool(self._following) == self._subscribed_to_all:
            return  # without a connection, the listener calls this again once it has one
        self._subscribed_to_all = bool(self._following)
        try:
            await (pubsub.subscribe(CHANGES) if self._subscribed_to_all else pubsub.unsubscribe(CHANGES))
        except (RedisError, OSError) as error:  # the listener fails too, and connects again
            log.info("the subscription could not be changed: %s", error)

    async def _listen(self) -> None:
        # It repeats until closed, since a cancellation may surface as a lost connection.
        delay = _FIRST_RETRY
        while not self._closed.is_set():
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(ENDS)
                    self._pubsub, self._subscribed_to_all = pubsub, False
                    await self._update_subscription()
                    async for message in _messages(pubsub):
                        delay = _FIRST_RETRY
                        self._dispatch(message)
            except (RedisError, OSError) as error:
                if self._closed.is_set():
                    return
                log.warning("no notifications of job changes, trying again: %s", error)
            finally:
                self._pubsub = None
            await asyncio.sleep(random.uniform(delay / 2, delay))  # noqa: S311 - jitter
            delay = min(2 * delay, _LONGEST_RETRY)

    def _dispatch(self, message: Mapping[str, Any]) -> None:
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
    """Incoming messages. After a silence it sends a ping; ConnectionError when that gets no answer."""
    pinged = False
    while True:
        message = await pubsub.get_message(timeout=_QUIET_SECONDS)
        if message is not None:
            pinged = False
            yield message
        elif pinged:
            raise ConnectionError("Redis is silent")
        else:
            await pubsub.ping()
            pinged = True
