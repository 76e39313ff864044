"""Locks in Redis, for duties that only one process may do at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from threading import Event, Thread
from time import monotonic

from redis import Redis
from redis.exceptions import LockError
from redis.lock import Lock

from rag.errors import Unavailable
from rag.redis.connection import PREFIX, expire_within, reaching_redis

log = logging.getLogger(__name__)


@dataclass(slots=True)
class HeldLock:
    """True until the monotonic clock reaches ``until``; afterwards another process may have the lock."""

    until: float

    def __bool__(self) -> bool:
        return monotonic() < self.until


@contextmanager
def held_lock(
    client: Redis, duty: str, *, seconds: float, followed_after: float | None
) -> Iterator[HeldLock]:
    """The lock for ``duty``, false when another process has it; see :meth:`rag.ports.JobStore.alone`.

    Unavailable when the server is away at the beginning.
    """
    length = min(seconds, followed_after or seconds)
    key = f"{PREFIX}lock:{duty}"
    began = monotonic()
    lock = client.lock(key, timeout=length, blocking=False, thread_local=False)
    with reaching_redis():
        taken = bool(lock.acquire())
        if not taken:
            expire_within(client, key, length)
    if not taken:
        yield HeldLock(until=-inf)
        return
    held, over = HeldLock(until=began + length), Event()
    renewal = Thread(
        target=_renew, args=(lock, held, length, began + seconds, over), name="lock", daemon=True
    )
    renewal.start()
    try:
        yield held
    finally:
        over.set()
        renewal.join()
        try:
            with reaching_redis():
                lock.release()
        except (LockError, Unavailable) as error:
            # it expires by itself, and another process may hold it already
            log.info("the lock %s was not released: %s", lock.name, error)


def _renew(lock: Lock, held: HeldLock, length: float, until: float, over: Event) -> None:
    """Renew ``lock`` until ``over`` is set, but not beyond ``until``."""
    while not over.wait(length / 3) and (left := min(length, until - (now := monotonic()))) > 0:
        try:
            with reaching_redis():
                lock.extend(left, replace_ttl=True)
            held.until = now + left
        except LockError as error:
            log.warning("the lock %s was lost: %s", lock.name, error)
            held.until = -inf
            return
        except Unavailable as error:
            log.warning("the lock %s could not be renewed: %s", lock.name, error)
