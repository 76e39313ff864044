"""Runs one service: starts it, and restarts it whenever it dies or hangs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol

from cli.supervisor.fork_client import ForkClient
from cli.supervisor.lockfile import StackFile
from cli.supervisor.logs import AUDIT_FILES, LogFile, Output, line_as_json, reformat_redis_line
from cli.supervisor.orphan_guard import Guard
from cli.supervisor.process import ServiceProcess, describe_exit
from cli.supervisor.service import TERMINATE_HUNG, Service
from rag.errors import Unavailable
from rag.system.log_lines import LogFormat

WATCH_SECONDS = 2.0
"""Between two looks at a running process."""

_LONGEST_LOOK = 5.0
_PROBE_SECONDS = 0.1
_START_TRIES = 3
_STEADY_SECONDS = 30.0
"""A process that lived longer is not in a crash loop."""

_BACKOFF = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the first, second, … restart in a row."""


class Observer(Protocol):
    """Is told what happens to the services."""

    def show_ready(self, service: str, seconds: float) -> None: ...
    def show_death(self, service: str, how: str, *, restart: int, wait: float) -> None: ...
    def show_back(self, service: str, seconds: float) -> None: ...
    def show_stop(self, service: str, seconds: float) -> None: ...
    def show_line(self, service: str, line: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all runners of a stack share. ``folder``: where services run; ``logs``: where their logs are."""

    folder: Path
    logs: Path
    environment: Mapping[str, str]
    observer: Observer
    guard: Guard
    stack_file: StackFile
    fork_client: ForkClient | None = None
    verbose: bool = False
    log_format: LogFormat = "text"


class Runner:
    """Keeps one service running."""

    def __init__(self, service: Service, context: RunContext) -> None:
        self.service = service
        self.is_ready = asyncio.Event()
        self._context = context
        self._process: ServiceProcess | None = None
        self._restarts = 0
        self._in_a_row = 0

        def show(line: str) -> None:
            if context.verbose or not service.quiet:
                context.observer.show_line(service.name, line)

        form = context.log_format
        self._output = Output(
            LogFile(context.logs, service.name, form=form),
            show,
            verbose=context.verbose,
            audit=LogFile(context.logs, "audit", AUDIT_FILES, form) if service.audited else None,
            rewrite=_rewriter_of(service, form),
        )

    async def run(self, needs: Iterable[asyncio.Event]) -> None:
        """Once all ``needs`` are set, start the service and keep it running until cancelled.

        Unavailable when it cannot start.
        """
        for need in needs:
            await need.wait()
        seconds = await self._start_first()
        self.is_ready.set()
        self._context.observer.show_ready(self.service.name, seconds)
        ready = True
        while True:
            ready = await self._restart_after_end(ready=ready)

    async def stop(self, hurry: asyncio.Event) -> None:
        """End the service if it runs; :meth:`run` must have been cancelled."""
        if self._process is not None:
            began = monotonic()
            await self._process.stop(self.service.stop_signals, hurry)
            self._forget_process()
            self._context.observer.show_stop(self.service.name, monotonic() - began)
        self._output.close()

    async def _start_first(self) -> float:
        """Seconds until ready. A start that a signal ended is tried again; one that exited is not."""
        for attempt in range(1, _START_TRIES + 1):
            process = await self._start()
            status = await self._wait_ready_or_ended(process)
            if status is None:
                return process.age
            self._forget_process()
            # A start may be hit by a stray signal, such as from the out-of-memory killer.
            if status >= 0 or attempt == _START_TRIES:
                raise self._start_error(f"ended with {describe_exit(status)}")
            self._show_last_line(status)
            self._context.observer.show_death(
                self.service.name, describe_exit(status), restart=attempt, wait=0.0
            )
        raise AssertionError("unreachable")

    async def _start(self) -> ServiceProcess:
        context = self._context
        self._output.clear_last_lines()
        try:
            process = await ServiceProcess.start(
                self.service,
                self._output,
                environment=context.environment,
                folder=context.folder,
                fork_client=context.fork_client,
            )
        except OSError as error:
            raise self._start_error(str(error)) from error
        self._process = process
        context.guard.guard(process.pid)
        context.stack_file.add(self.service.name, process.pid)
        return process

    async def _wait_ready_or_ended(self, process: ServiceProcess) -> int | None:
        """None once the process is ready; its exit status if it ended before. Unavailable after too long."""
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self._wait_ready(process))
        try:
            await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return ended.result()
            ready.result()
            return None
        finally:
            ended.cancel()
            ready.cancel()

    async def _wait_ready(self, process: ServiceProcess) -> None:
        probe, timeout = self.service.probe, self.service.start_timeout
        while probe is not None:
            missing = await asyncio.to_thread(probe, process.pid)
            if missing is None:
                return
            if process.age > timeout:
                raise self._start_error(f"was not ready within {timeout:.0f} s: {missing}")
            await asyncio.sleep(_PROBE_SECONDS)

    async def _restart_after_end(self, *, ready: bool) -> bool:
        """Wait until the running process has ended or hangs, and start the next one.

        ``ready``: whether the running process became ready. Returns the same of the next one, which keeps
        running when it is not ready in time.
        """
        if self._process is None:
            raise AssertionError("a service is watched only after it was started")
        observer, name, process = self._context.observer, self.service.name, self._process
        how = await self._wait_ended(process, ready=ready)
        self._forget_process()
        # A long life ends the series, so that a rare crash is repaired at once.
        self._in_a_row = 0 if process.age > _STEADY_SECONDS else self._in_a_row + 1
        wait = _BACKOFF[min(max(self._in_a_row - 1, 0), len(_BACKOFF) - 1)]
        self._restarts += 1
        observer.show_death(name, how, restart=self._restarts, wait=wait)
        await asyncio.sleep(wait)
        process = await self._start()
        try:
            if await self._wait_ready_or_ended(process) is not None:
                return False
        except Unavailable as error:
            for line in str(error).splitlines():
                observer.show_line(name, line)
            return False
        observer.show_back(name, process.age)
        return True

    async def _wait_ended(self, process: ServiceProcess, *, ready: bool) -> str:
        """Wait until the process has ended; stop it when it hangs. Returns how it ended, in words."""
        ended = asyncio.create_task(process.wait())
        hung = asyncio.create_task(wait_until_hung(self.service, process.pid, was_ready=ready))
        try:
            await asyncio.wait((ended, hung), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                self._show_last_line(ended.result())
                return describe_exit(ended.result())
            status = await process.stop(TERMINATE_HUNG, asyncio.Event())
            return f"{describe_exit(status)} because it hung: {hung.result()}"
        finally:
            ended.cancel()
            hung.cancel()

    def _show_last_line(self, status: int) -> None:
        """Show the last line of a process that failed, unless it was shown already."""
        if status and (line := self._output.unshown):
            self._context.observer.show_line(self.service.name, line)

    def _forget_process(self) -> None:
        if self._process is not None:
            self._context.guard.release(self._process.pid)
            self._context.stack_file.remove(self.service.name)
            self._process = None

    def _start_error(self, why: str) -> Unavailable:
        last = "\n".join(f"    {line}" for line in self._output.last_lines)
        where = f"Its log: {self._output.file.path}"
        message = f"{self.service.name} {why}"
        return Unavailable(f"{message}\n{last}\n{where}" if last else f"{message}. {where}")


def _rewriter_of(service: Service, form: LogFormat) -> Callable[[bytes], bytes] | None:
    """What puts lines that the service does not write by our log into the form of all others."""
    if form == "json":
        return partial(line_as_json, service.name)
    return partial(reformat_redis_line, service.name) if service.redis_log else None


async def wait_until_hung(service: Service, pid: int, *, was_ready: bool) -> str:
    """Return what is wrong, once it has been wrong for the service's ``hang_seconds``.

    ``was_ready``: whether the process was ready. If not, nothing counts until a look finds nothing wrong.
    """
    failed = 0.0
    while True:
        began = monotonic()
        await asyncio.sleep(WATCH_SECONDS)
        wrong = await asyncio.to_thread(service.watch, pid) if service.watch else None
        was_ready = was_ready or wrong is None
        # A look counts for a few seconds at most: a supervisor that was itself stopped must not blame others.
        failed = failed + min(monotonic() - began, _LONGEST_LOOK) if wrong and was_ready else 0.0
        if wrong and failed >= service.hang_seconds:
            return wrong
