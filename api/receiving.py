"""Bodies on their way in: how many, how large, how slow, and for whom.

A route asks for its body once its caller was let in; nothing is read before. Whatever holds
memory, disk or a place has a bound for the process and a smaller one for each caller, so nobody
fills it alone. A body that comes slowly loses its place as soon as another one needs it, and
ends by itself where it is slower than :data:`SLOWEST`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import TypeAlias

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from rag.errors import AegisError, ErrorTable, Overloaded, Unavailable, translated

KIB, MIB = 1 << 10, 1 << 20
IN_MEMORY = 64 * KIB
"""Bytes of a document's body that are kept in memory; more go to a temporary file."""
GRACE_SECONDS = 20.0
SLOWEST = 16 * KIB
"""Bytes a second, on an average that begins after the grace."""

_STEADY = 64 * KIB  # bytes a second of a body that keeps its place
_SETTLED_SECONDS = 2.0  # after which a body's speed is known
_WRITTEN_AT_ONCE = 64 * KIB
_RETRY_SECONDS = 2.0
Spool: TypeAlias = SpooledTemporaryFile[bytes]

_SPOOLING: ErrorTable = {OSError: Unavailable}


@dataclass(eq=False, slots=True)
class Reception:
    """A body that is being received; ``size`` is what came so far."""

    owner: str
    clock: asyncio.Timeout
    begun: float
    size: int = 0

    def rate(self, now: float) -> float:
        return self.size / max(now - self.begun, 0.001)

    def prolong(self) -> None:
        self.clock.reschedule(self.begun + GRACE_SECONDS + self.size / SLOWEST)

    def is_slow(self, now: float) -> bool:
        """Whether it gives its place to who needs one."""
        return now - self.begun > _SETTLED_SECONDS and self.rate(now) < _STEADY


@dataclass(frozen=True, slots=True)
class Limit:
    """``most``: bytes of a body; ``error`` says so where it is a document that is too large."""

    most: int
    error: AegisError | None = None

    def exceeded(self) -> HTTPException:
        exception = HTTPException(413, f"The body is over the limit of this call, {self.most} bytes")
        exception.__cause__ = self.error
        return exception


SMALL = Limit(128 * KIB)
"""Of all bodies but documents'. The longest question and filter, written with escapes, have 110 KiB."""


@dataclass(slots=True)
class Receptions:
    """All of this process. ``places`` and ``budget`` (bytes); each caller has half of both."""

    places: int
    budget: int
    _receiving: set[Reception] = field(default_factory=set)
    _held: Counter[str] = field(default_factory=Counter)

    async def small(self, request: Request, owner: str) -> bytes:
        """A body in memory. HTTPException 408 and 413, Overloaded."""
        body = bytearray()

        async def take(piece: bytes) -> None:
            body.extend(piece)

        with self._holding(owner) as hold:
            await self._receive(request, owner, SMALL, hold, take)
        return bytes(body)

    @asynccontextmanager
    async def document(self, request: Request, owner: str, limit: Limit) -> AsyncIterator[Spool]:
        """A document's body in a file that stands at its beginning, and is gone after the block.

        HTTPException 408 and 413, Overloaded, and Unavailable where the temporary folder takes no more.
        """
        with (
            translated(_SPOOLING, "The temporary folder that uploads are received in"),
            self._holding(owner) as hold,
            SpooledTemporaryFile(max_size=IN_MEMORY) as file,
        ):
            spooling = _Spooling(file)
            await self._receive(request, owner, limit, hold, spooling.take)
            await spooling.end()
            yield file

    async def _receive(
        self,
        request: Request,
        owner: str,
        limit: Limit,
        hold: Callable[[int], None],
        take: Callable[[bytes], Awaitable[None]],
    ) -> None:
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit.most:
            raise limit.exceeded()
        try:
            async with asyncio.timeout(GRACE_SECONDS) as clock:
                with self._placed(owner, clock) as reception:
                    async for piece in request.stream():
                        reception.size += len(piece)
                        if reception.size > limit.most:
                            raise limit.exceeded()
                        hold(len(piece))
                        reception.prolong()
                        await take(piece)
        except TimeoutError:
            raise HTTPException(408, "The body came too slowly") from None

    @contextmanager
    def _holding(self, owner: str) -> Iterator[Callable[[int], None]]:
        """Counts bytes that are kept until the block ends. Overloaded when there is no room for more."""
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            if self._held[owner] + size > self.budget // 2 or self._held.total() + size > self.budget:
                raise Overloaded(
                    "The bodies that are being received take all the room that there is for them",
                    retry_after=_RETRY_SECONDS,
                )
            mine += size
            self._held[owner] += size

        try:
            yield hold
        finally:
            self._held[owner] -= mine
            if not self._held[owner]:
                del self._held[owner]

    @contextmanager
    def _placed(self, owner: str, clock: asyncio.Timeout) -> Iterator[Reception]:
        """A place among those who receive, if need be that of a slow one. Overloaded."""
        own = [other for other in self._receiving if other.owner == owner]
        if len(own) >= max(1, self.places // 2):
            self._make_room(own)
        elif len(self._receiving) >= self.places:
            self._make_room(self._receiving)
        reception = Reception(owner, clock, asyncio.get_running_loop().time())
        self._receiving.add(reception)
        try:
            yield reception
        finally:
            self._receiving.discard(reception)

    def _make_room(self, among: Collection[Reception]) -> None:
        now = asyncio.get_running_loop().time()
        slow = [other for other in among if other.is_slow(now)]
        if not slow:
            raise Overloaded("Too many bodies are being received at once", retry_after=_RETRY_SECONDS)
        slowest = min(slow, key=lambda other: other.rate(now))
        self._receiving.discard(slowest)
        slowest.clock.reschedule(now)


class _Spooling:
    """Writes in larger pieces, in a thread once they go to the disk."""

    def __init__(self, file: Spool) -> None:
        self._file = file
        self._gathered = bytearray()
        self._size = 0

    async def take(self, piece: bytes) -> None:
        self._gathered += piece
        if len(self._gathered) >= _WRITTEN_AT_ONCE:
            await self._write()

    async def end(self) -> None:
        """Write what is left, and go to the beginning."""
        await self._write()
        self._file.seek(0)

    async def _write(self) -> None:
        gathered, self._gathered = self._gathered, bytearray()
        self._size += len(gathered)
        if self._size > IN_MEMORY:
            await run_in_threadpool(self._file.write, gathered)
        else:
            self._file.write(gathered)
