"""The connections that an API process holds open: how many, for whom, and for how long.

A connection that only waits (for a head, or for its end) is closed when a new one needs its place, the
longest waiting first. So idle connections, however many, keep nobody out. A request that is being answered
is never cut off for another.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol

from api.http.proxies import Networks, is_within
from rag.web.addresses import counted_as

_SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of a request that no route has seen yet. Sizes in bytes, times in seconds."""

    connections: int = 1000  # open at once in this process; an address outside ``proxies`` has half of them
    proxies: Networks = ()
    head: int = 32 * 1024  # request line and headers
    headers: int = 100
    target: int = 8 * 1024  # the address within the request line
    head_seconds: float = 10.0  # from a connection's begin, or a later request's first byte
    linger_seconds: float = 5.0  # how long bytes after a refusal are dropped, so that the client can read it
    stalled_seconds: float = 15.0  # how long an answer waits for a client that reads less than ``trickle``
    trickle: int = 256 * 1024
    unread: int = 64 * 1024 * 1024  # of all answers in this process that wait for their clients
    framing: int = 16 * 1024  # of chunk sizes, extensions and trailers, beyond a quarter of the body
    useless_body: int = 64 * 1024  # of a body that comes with a method that takes none
    ahead: int = 1024 * 1024  # of requests that are sent before this one is answered


class Connection(Protocol):
    """``address`` is the peer's; None where there is none, as on a Unix socket."""

    address: str | None

    def give_way(self) -> None:
        """End at once: no answer is being made, or the client does not read it."""
        ...

    def check(self, now: float) -> None:
        """End if a time limit has passed; ``now`` is the event loop's time."""
        ...


@dataclass(slots=True)
class Connections:
    """Those of one process. ``waiting`` has the longest waiting first; so has ``unread``, the bytes of
    answers that wait for their clients."""

    bounds: Bounds
    open: set[Connection] = field(default_factory=set)
    waiting: dict[Connection, None] = field(default_factory=dict)
    unread: dict[Connection, int] = field(default_factory=dict)
    _by_address: Counter[str] = field(default_factory=Counter)
    _unread_by_address: Counter[str] = field(default_factory=Counter)
    _sweeping: bool = False

    def admit(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether there is room for ``connection``; if so, it now waits for its first request."""
        share = _share_of(connection)
        # One address has at most half; another of its own connections ends for a new one of it.
        if (
            connection.address is not None
            and self._by_address[share] >= max(1, self.bounds.connections // 2)
            and not is_within(ip_address(connection.address), self.bounds.proxies)
            and not self._make_room(lambda other: _share_of(other) == share)
        ):
            return False
        if len(self.open) >= self.bounds.connections and not self._make_room(lambda _: True):
            return False
        self.open.add(connection)
        self._by_address[share] += 1
        self.waits(connection)
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return True

    def waits(self, connection: Connection) -> None:
        if connection in self.open:
            self.waiting.pop(connection, None)
            self.waiting[connection] = None  # at the end: it has waited the shortest

    def works(self, connection: Connection) -> None:
        self.waiting.pop(connection, None)

    def stops_reading(self, connection: Connection, size: int) -> None:
        """``size`` bytes of its answer wait for the client.

        While too many wait in all, the address with most of them loses its longest waiting connection.
        """
        self.reads(connection)
        self.unread[connection] = size
        self._unread_by_address[connection.address or ""] += size
        # The last one stays: a single large answer is no attack.
        while self._unread_by_address.total() > self.bounds.unread and len(self.unread) > 1:
            ((address, _),) = self._unread_by_address.most_common(1)
            longest = next(other for other in self.unread if (other.address or "") == address)
            self.reads(longest)
            longest.give_way()

    def reads(self, connection: Connection) -> None:
        if size := self.unread.pop(connection, 0):
            _subtract(self._unread_by_address, connection.address or "", size)

    def forget(self, connection: Connection) -> None:
        self.reads(connection)
        if connection in self.open:
            self.open.remove(connection)
            self.waiting.pop(connection, None)
            _subtract(self._by_address, _share_of(connection), 1)

    def _make_room(self, fits: Callable[[Connection], bool]) -> bool:
        longest = next((other for other in self.waiting if fits(other)), None)
        if longest is None:
            return False
        self.forget(longest)
        longest.give_way()
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self.open):
            connection.check(now)
        self._sweeping = bool(self.open)
        if self._sweeping:
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)


def _share_of(connection: Connection) -> str:
    return counted_as(connection.address or "")


def _subtract(counter: Counter[str], key: str, count: int) -> None:
    counter[key] -= count
    if not counter[key]:
        del counter[key]  # so that the counter does not grow with every address that ever came
