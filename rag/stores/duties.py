"""Duties that one process at a time is at: a lock in Redis."""

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
from rag.stores.redis import PREFIX, expire_within, reaching_redis

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Turn:
    """At a duty; falsy once another may be at it. ``until``, by the monotonic clock, nobody is."""

    until: float

    def __bool__(self) -> bool:
        return monotonic() < self.until


@contextmanager
def alone_at(client: Redis, duty: str, *, seconds: float, followed_after: float | None) -> Iterator[Turn]:
    """Whether the caller is the only one at ``duty``, as :meth:`rag.ports.JobStore.alone` has it.

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
        yield Turn(until=-inf)
        return
    turn = Turn(until=began + length)
    try:
        with _renewed(lock, turn, length, until=began + seconds):
            yield turn
    finally:
        _give_back(lock)


@contextmanager
def _renewed(lock: Lock, turn: Turn, length: float, *, until: float) -> Iterator[None]:
    """Renew ``lock`` while the block lasts, but not beyond ``until``; the turn ends with it."""
    over = Event()
    keeper = Thread(target=_renew, args=(lock, turn, length, until, over), name="duty", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def _renew(lock: Lock, turn: Turn, length: float, until: float, over: Event) -> None:
    while not over.wait(length / 3) and (left := min(length, until - (now := monotonic()))) > 0:
        try:
            with reaching_redis():
                lock.extend(left, replace_ttl=True)
            turn.until = now + left
        except LockError as error:
            log.warning("the lock %s was lost: %s", lock.name, error)
            turn.until = -inf
            return
        except Unavailable as error:
            log.warning("the lock %s could not be renewed: %s", lock.name, error)


def _give_back(lock: Lock) -> None:
    """A lock that is not given back ends by itself; somebody else may hold it by then."""
    try:
        with reaching_redis():
            lock.release()
    except (LockError, Unavailable) as error:
        log.info("the lock %s was not given back: %s", lock.name, error)
