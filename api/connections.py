"""The connections that an API process holds open: how many, for whom, and for how long.

Whoever only waits (for a head, or to be rid of) gives way to who comes new, the longest
waiting first; so idle connections, however many, keep nobody out. Requests that are being
answered never give way.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Protocol

from api.proxies import Networks, is_within
from rag.addresses import counted_as

_SWEEP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may take before anybody has looked at it. Sizes in bytes, times in seconds.

    connections: open at once in this process; an address that is none of ``proxies`` has half of them.
    head: request line and headers; ``target``: the address within the request line.
    head_seconds: from a connection's begin, or a later request's first byte, to the head's end.
    linger_seconds: for which what comes after a refusal is thrown away, so that the refusal is read.
    stalled_seconds: for which an answer may wait for a reader that takes less than ``trickle`` of it.
    unread: of answers in this process that wait for their readers.
    framing: of chunk sizes, extensions and trailers, beyond a quarter of the body.
    useless_body: of a body that comes with a method that takes none.
    ahead: of requests that are sent before this one is answered.
    """

    connections: int = 1000
    proxies: Networks = ()
    head: int = 32 * 1024
    headers: int = 100
    target: int = 8 * 1024
    head_seconds: float = 10.0
    linger_seconds: float = 5.0
    stalled_seconds: float = 15.0
    trickle: int = 256 * 1024
    unread: int = 64 * 1024 * 1024
    framing: int = 16 * 1024
    useless_body: int = 64 * 1024
    ahead: int = 1024 * 1024


class Connection(Protocol):
    """``address`` is the peer's; None where there is none, as on a Unix socket."""

    address: str | None

    def give_way(self) -> None:
        """End at once: nothing is being answered, or its answer is not read."""
        ...

    def check(self, now: float) -> None:
        """End if a time is over; ``now`` as the event loop has it."""
        ...


@dataclass(slots=True)
class Connections:
    """Those of one process. ``waiting`` holds the longest waiting first, and ``unread`` the bytes of
    answers that wait for their readers, likewise."""

    bounds: Bounds
    open: set[Connection] = field(default_factory=set)
    waiting: dict[Connection, None] = field(default_factory=dict)
    unread: dict[Connection, int] = field(default_factory=dict)
    _by_address: Counter[str] = field(default_factory=Counter)
    _unread_by_address: Counter[str] = field(default_factory=Counter)
    _sweeping: bool = False

    def admit(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether there is room for ``connection``, which waits for its first request then."""
        address = connection.address
        if self._is_crowded(address) and not self._make_room(
            lambda other: _counted_as(other) == _counted_as(connection)
        ):
            return False
        if len(self.open) >= self.bounds.connections and not self._make_room(lambda _: True):
            return False
        self.open.add(connection)
        self._by_address[_counted_as(connection)] += 1
        self.waits(connection)
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(_SWEEP_SECONDS, self._sweep, loop)
        return True

    def waits(self, connection: Connection) -> None:
        if connection in self.open:
            self.waiting.pop(connection, None)
            self.waiting[connection] = None

    def works(self, connection: Connection) -> None:
        self.waiting.pop(connection, None)

    def stops_reading(self, connection: Connection, size: int) -> None:
        """``size`` bytes of its answer wait. Over the bound, of the address that has most of them waiting
        the one that has waited longest ends; the last one never does."""
        self.reads(connection)
        self.unread[connection] = size
        self._unread_by_address[connection.address or ""] += size
        while self._unread_by_address.total() > self.bounds.unread and len(self.unread) > 1:
            ((address, _),) = self._unread_by_address.most_common(1)
            longest = next(other for other in self.unread if (other.address or "") == address)
            self.reads(longest)
            longest.give_way()

    def reads(self, connection: Connection) -> None:
        if size := self.unread.pop(connection, 0):
            address = connection.address or ""
            self._unread_by_address[address] -= size
            if not self._unread_by_address[address]:
                del self._unread_by_address[address]

    def forget(self, connection: Connection) -> None:
        self.reads(connection)
        if connection in self.open:
            self.open.remove(connection)
            self.waiting.pop(connection, None)
            address = _counted_as(connection)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _is_crowded(self, address: str | None) -> bool:
        if address is None or self._by_address[counted_as(address)] < max(1, self.bounds.connections // 2):
            return False
        return not is_within(ip_address(address), self.bounds.proxies)

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


def _counted_as(connection: Connection) -> str:
    return counted_as(connection.address or "")
