"""Bodies of requests as they come in: how many, how large, how slow, and whose.

A route reads its body after its caller was let in; nothing is read before. Memory, disk and places have a
limit for the process and a smaller one for each caller, so that no caller uses them up alone. A slow body
loses its place when another one needs it, and is ended when it is slower than :data:`SLOWEST`.
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
IN_MEMORY = 64 * KIB  # of a document's body; a larger one goes to a temporary file
GRACE_SECONDS = 20.0
SLOWEST = 16 * KIB  # bytes a second, on an average that begins after the grace

_STEADY = 64 * KIB  # bytes a second of a body that keeps its place
_SETTLED_SECONDS = 2.0  # after which a body's speed is known
_WRITTEN_AT_ONCE = 64 * KIB
_RETRY_SECONDS = 2.0
Spool: TypeAlias = SpooledTemporaryFile[bytes]

_SPOOLING: ErrorTable = {OSError: Unavailable}


@dataclass(eq=False, slots=True)
class Reception:
    """A body that is being received; ``size`` is what has come so far."""

    owner: str
    clock: asyncio.Timeout
    begun: float
    size: int = 0

    def rate(self, now: float) -> float:
        """Bytes a second."""
        return self.size / max(now - self.begun, 0.001)

    def is_slow(self, now: float) -> bool:
        """Whether it loses its place when another body needs one."""
        return now - self.begun > _SETTLED_SECONDS and self.rate(now) < _STEADY


@dataclass(frozen=True, slots=True)
class Limit:
    """``most``: bytes of a body; ``error`` is the cause that the answer names, for a document too large."""

    most: int
    error: AegisError | None = None

    def exceeded(self) -> HTTPException:
        exception = HTTPException(413, f"The body is over the limit of this call, {self.most} bytes")
        exception.__cause__ = self.error
        return exception


# Of all bodies but documents'. The longest question and filter, written with escapes, have 110 KiB.
SMALL = Limit(128 * KIB)


@dataclass(slots=True)
class BodyReceiver:
    """Receives the bodies of this process. ``places``, ``budget``: bytes; each caller has half of both."""

    places: int
    budget: int
    _receiving: set[Reception] = field(default_factory=set)
    _held: Counter[str] = field(default_factory=Counter)

    async def receive_small(self, request: Request, owner: str) -> bytes:
        """A body in memory. HTTPException 408 and 413, Overloaded."""
        body = bytearray()

        async def take(piece: bytes) -> None:
            body.extend(piece)

        with self._reserve_for(owner) as reserve:
            await self._receive(request, owner, SMALL, reserve, take)
        return bytes(body)

    @asynccontextmanager
    async def document(self, request: Request, owner: str, limit: Limit) -> AsyncIterator[Spool]:
        """A document's body in a file, at its beginning; the file is removed after the block.

        HTTPException 408 and 413, Overloaded, and Unavailable where the temporary folder takes no more.
        """
        with (
            translated(_SPOOLING, "The temporary folder that uploads are received in"),
            self._reserve_for(owner) as reserve,
            SpooledTemporaryFile(max_size=IN_MEMORY) as file,
        ):
            gathered = bytearray()

            async def take(piece: bytes, most: int = _WRITTEN_AT_ONCE) -> None:
                gathered.extend(piece)
                if len(gathered) < most:
                    return
                # Beyond this size the file is on the disk, where a write may block.
                if file.tell() + len(gathered) > IN_MEMORY:
                    await run_in_threadpool(file.write, gathered)
                else:
                    file.write(gathered)
                gathered.clear()

            await self._receive(request, owner, limit, reserve, take)
            await take(b"", most=0)
            file.seek(0)
            yield file

    async def _receive(
        self,
        request: Request,
        owner: str,
        limit: Limit,
        reserve: Callable[[int], None],
        take: Callable[[bytes], Awaitable[None]],
    ) -> None:
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit.most:
            raise limit.exceeded()
        try:
            async with asyncio.timeout(GRACE_SECONDS) as clock:
                with self._place(owner, clock) as reception:
                    async for piece in request.stream():
                        reception.size += len(piece)
                        if reception.size > limit.most:
                            raise limit.exceeded()
                        reserve(len(piece))
                        # Each byte that comes buys time: the average may not fall below SLOWEST.
                        clock.reschedule(reception.begun + GRACE_SECONDS + reception.size / SLOWEST)
                        await take(piece)
        except TimeoutError:
            raise HTTPException(408, "The body came too slowly") from None

    @contextmanager
    def _reserve_for(self, owner: str) -> Iterator[Callable[[int], None]]:
        """A function that reserves bytes until the block ends. Overloaded when there is no room for more."""
        mine = 0

        def reserve(size: int) -> None:
            nonlocal mine
            if self._held[owner] + size > self.budget // 2 or self._held.total() + size > self.budget:
                raise Overloaded(
                    "The bodies that are being received take all the room that there is for them",
                    retry_after=_RETRY_SECONDS,
                )
            mine += size
            self._held[owner] += size

        try:
            yield reserve
        finally:
            self._held[owner] -= mine
            if not self._held[owner]:
                del self._held[owner]

    @contextmanager
    def _place(self, owner: str, clock: asyncio.Timeout) -> Iterator[Reception]:
        """A place until the block ends, which a slow body may lose to it. Overloaded."""
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
        slowest.clock.reschedule(now)  # it ends with a timeout, and so with 408
