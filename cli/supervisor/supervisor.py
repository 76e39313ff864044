"""Starts the services of the stack, keeps them running, and stops them in order.

This is our own code, in four modules (part, process, keeper, supervisor), because the known
libraries lack what is needed. honcho stops everything when one process dies and restarts
nothing. supervisord and circus start by priority without waiting for readiness, and need
configuration files and control sockets; circus also brings ZeroMQ. None of them ends the
services when the supervisor itself is killed.
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

from cli.shell.exits import INTERRUPTED
from cli.supervisor.runner import RunContext, Runner
from cli.supervisor.service import Service

_ECHO_SECONDS = 1.0
"""A second SIGINT within this time is the first one again: a terminal and `make` may both send it."""

Work = Callable[[], int]
"""A blocking call; its result becomes the exit status."""


class Supervisor:
    """Runs ``services``, each of which may need others by name."""

    def __init__(self, services: Sequence[Service], context: RunContext) -> None:
        self._runners = {service.name: Runner(service, context) for service in services}
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(
        self,
        *,
        on_ready: Callable[[], None],
        on_stop: Callable[[], None],
        work: Work | None = None,
        once: bool = False,
    ) -> int:
        """Start all services, do ``work``, wait for SIGINT, SIGTERM or SIGHUP, stop all; the exit status.

        A later SIGINT hurries the stop. The other two do not, since they are often sent twice.

        ``once``: stop when ``work`` is done. Failed work stops the stack too. Work that a signal interrupts
        is not waited for, and the status is INTERRUPTED. Raises Unavailable, with everything stopped, when
        a service cannot start.
        """
        with self._signals():
            ready = {name: runner.is_ready for name, runner in self._runners.items()}
            tasks = [
                asyncio.create_task(runner.run([ready[need] for need in runner.service.needs]))
                for runner in self._runners.values()
            ]
            try:
                return await self._run_until_stopped(tasks, on_ready, work, once=once)
            finally:
                on_stop()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                runners = sorted(self._runners.values(), key=lambda runner: runner.service.stop_rank)
                for _, rank in groupby(runners, key=lambda runner: runner.service.stop_rank):
                    await asyncio.gather(*(runner.stop(self._hurry) for runner in rank))

    async def _run_until_stopped(
        self, tasks: list[asyncio.Task[None]], on_ready: Callable[[], None], work: Work | None, *, once: bool
    ) -> int:
        async def wait_all_ready() -> None:
            for runner in self._runners.values():
                await runner.is_ready.wait()

        stopping = asyncio.create_task(self._stopping.wait())
        interrupted = 0 if work is None else INTERRUPTED
        try:
            if not await self._first(asyncio.create_task(wait_all_ready()), stopping, tasks):
                return interrupted
            on_ready()
            status = 0
            if work is not None:
                working = _start_thread(work)
                if not await self._first(working, stopping, tasks):
                    return interrupted
                # Raises what the work raised.
                status = working.result()
            if not once and status == 0:
                await self._first(stopping, stopping, tasks)
            return status
        finally:
            stopping.cancel()

    async def _first(
        self, wanted: asyncio.Future[Any], stopping: asyncio.Task[bool], tasks: list[asyncio.Task[None]]
    ) -> bool:
        """True when ``wanted`` is done, False when a signal came before; raises what ends a runner's task."""
        await asyncio.wait((wanted, stopping, *tasks), return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            # A runner runs until it is cancelled, so one that is done has failed.
            if task.done():
                task.result()
        return wanted.done() and not stopping.done()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Handle the signals that stop the stack."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        asked_at = 0.0

        def ask_to_stop(number: int) -> None:
            nonlocal asked_at
            if not self._stopping.is_set():
                asked_at = monotonic()
                self._stopping.set()
            elif number == signal.SIGINT and monotonic() - asked_at > _ECHO_SECONDS:
                self._hurry.set()

        for number in signals:
            loop.add_signal_handler(number, ask_to_stop, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


def _start_thread(work: Work) -> asyncio.Future[int]:
    """Do the work in a thread that nobody joins: it may wait long for an API that is being stopped."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[int] = loop.create_future()

    def settle(set_result: Callable[[], None]) -> None:
        if not result.done():
            set_result()

    def run() -> None:
        try:
            set_result = partial(result.set_result, work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            set_result = partial(result.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, set_result)

    Thread(target=run, name="work", daemon=True).start()
    return result
