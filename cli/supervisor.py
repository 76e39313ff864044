"""Starts the parts of the stack, keeps them running, and stops them in order.

Our own, in four small modules (part, process, keeper, supervisor), because the kept
libraries miss what matters here: honcho stops everything when one process dies and
restarts nothing; supervisord and circus start by priority without waiting for readiness,
want configuration files and control sockets, and circus brings ZeroMQ. None of them ends
the parts when the supervisor itself is killed.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import groupby
from threading import Thread
from time import monotonic
from typing import Any

from cli.exits import INTERRUPTED
from cli.keeper import Keeper, Surroundings
from cli.part import Part

_ECHO_SECONDS = 1.0
"""A second Ctrl-C this soon is the first one again: a terminal and `make` may both pass it on."""

Work = Callable[[], int]
"""Blocking; its result becomes the exit status."""


class Supervisor:
    """Runs ``parts``, of which each may need others by name."""

    def __init__(self, parts: Sequence[Part], surroundings: Surroundings) -> None:
        self._keepers = {part.name: Keeper(part, surroundings) for part in parts}
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._asked_at = 0.0

    async def run(
        self,
        *,
        on_ready: Callable[[], None],
        on_stop: Callable[[], None],
        work: Work | None = None,
        once: bool = False,
    ) -> int:
        """Start all, do ``work``, wait for SIGINT, SIGTERM or SIGHUP, stop all; the exit status.

        A later SIGINT hurries the end; the other two, which anybody may send twice, do not.

        ``once``: stop when ``work`` is done. A failed work stops too; one that a signal cuts off is not
        waited for, and the status says so. Raises Unavailable, everything stopped, when a part cannot start.
        """
        with self._signals():
            lives = [asyncio.create_task(self._life(keeper)) for keeper in self._keepers.values()]
            try:
                return await self._until_told(lives, on_ready, work, once=once)
            finally:
                on_stop()
                await _cancel(lives)
                await self._stop_in_order()

    async def _until_told(
        self, lives: list[asyncio.Task[None]], on_ready: Callable[[], None], work: Work | None, *, once: bool
    ) -> int:
        stopping = asyncio.create_task(self._stopping.wait())
        cut_off = 0 if work is None else INTERRUPTED
        try:
            if not await self._first(asyncio.create_task(self._all_ready()), stopping, lives):
                return cut_off
            on_ready()
            status = 0
            if work is not None:
                working = _begin(work)
                if not await self._first(working, stopping, lives):
                    return cut_off
                status = working.result()
            if not once and status == 0:
                await self._first(stopping, stopping, lives)
            return status
        finally:
            stopping.cancel()

    async def _first(
        self, wanted: asyncio.Future[Any], stopping: asyncio.Task[bool], lives: list[asyncio.Task[None]]
    ) -> bool:
        """True when ``wanted`` is done, False when told to stop before; raises what ends a life."""
        await asyncio.wait((wanted, stopping, *lives), return_when=asyncio.FIRST_COMPLETED)
        for life in lives:
            if life.done():
                life.result()
        return wanted.done() and not stopping.done()

    async def _life(self, keeper: Keeper) -> None:
        for need in keeper.part.needs:
            await self._keepers[need].is_ready.wait()
        await keeper.live()

    async def _all_ready(self) -> None:
        for keeper in self._keepers.values():
            await keeper.is_ready.wait()

    async def _stop_in_order(self) -> None:
        keepers = sorted(self._keepers.values(), key=lambda keeper: keeper.part.stop_rank)
        for _, rank in groupby(keepers, key=lambda keeper: keeper.part.stop_rank):
            await asyncio.gather(*(keeper.stop(self._hurry) for keeper in rank))

    def _tell_to_stop(self, number: int) -> None:
        if not self._stopping.is_set():
            self._asked_at = monotonic()
            self._stopping.set()
        elif number == signal.SIGINT and monotonic() - self._asked_at > _ECHO_SECONDS:
            self._hurry.set()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in signals:
            loop.add_signal_handler(number, self._tell_to_stop, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def _begin(work: Work) -> asyncio.Future[int]:
    """Have it done in a thread that nobody joins: it may wait for long for an API that is being stopped."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[int] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not result.done():
            settled()

    def run() -> None:
        try:
            settled = partial(result.set_result, work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            settled = partial(result.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, settled)

    Thread(target=run, name="work", daemon=True).start()
    return result


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
