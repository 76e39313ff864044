"""A running process of a service, in a process group of its own."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

from cli.supervisor.fork_client import ForkClient, ForkedProcess
from cli.supervisor.logs import Output
from cli.supervisor.service import Service, StopSignals

HURRIED_SECONDS = 1.0
_DRAIN_SECONDS = 2.0  # a grandchild in another session may keep the pipe open


class ServiceProcess:
    """Has its own group: Ctrl-C on the terminal does not reach it, and its children can be ended with it."""

    def __init__(self, process: Process | ForkedProcess, drain: "_Drain") -> None:
        self._process = process
        self._drain = drain
        self._started = monotonic()

    @classmethod
    async def start(
        cls,
        service: Service,
        output: Output,
        *,
        environment: Mapping[str, str],
        folder: Path,
        fork_client: ForkClient | None,
    ) -> "ServiceProcess":
        """Fork the service from the fork server where that works, else execute it.

        Raises OSError when the program cannot be executed.
        """
        drain, write_end = await _Drain.open(output)
        try:
            if (
                fork_client
                and service.forked
                and (forked := await fork_client.fork(service, write_end, folder))
            ):
                return cls(forked, drain)
            executed = await asyncio.create_subprocess_exec(
                *(["nice", "-n", str(service.nice)] if service.nice else []),
                *service.command,
                stdin=DEVNULL,
                stdout=write_end,
                stderr=STDOUT,
                env={**environment, **service.environment},
                cwd=folder,
                # Not a session of its own: the kernel schedules each session as one, whatever its niceness.
                process_group=0,
            )
            return cls(executed, drain)
        finally:
            # Only the process has it open then, so the drain ends with the process.
            os.close(write_end)

    @property
    def pid(self) -> int:
        """The process id, which is also the id of the process group."""
        return self._process.pid

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._started

    async def wait(self) -> int:
        """Wait until the process has ended, then kill what it left in its group.

        Returns the exit status, negative for a signal.
        """
        status = await self._process.wait()
        self._kill_group()
        await self._drain.wait_closed(_DRAIN_SECONDS)
        return status

    async def stop(self, signals: StopSignals, hurry: asyncio.Event) -> int:
        """Send the signals one by one, then kill; returns the exit status.

        Once ``hurry`` is set, each signal gets one second at most.
        """
        for number, seconds in signals:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            if await _ends_within(self._process.wait(), seconds, hurry):
                break
        self._kill_group()
        return await self.wait()

    def _kill_group(self) -> None:
        # macOS answers PermissionError for a group that has only zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def describe_exit(status: int) -> str:
    """An exit status in words, such as ``exit status 1`` or ``signal SIGKILL``."""
    if status >= 0:
        return f"exit status {status}"
    return f"signal {signal.Signals(-status).name}"


class _Drain(asyncio.Protocol):
    """The read end of a process's output pipe.

    It replaces asyncio's own pipe: some versions of that wait until grandchildren have closed the pipe too.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._closed = asyncio.Event()

    @classmethod
    async def open(cls, output: Output) -> tuple["_Drain", int]:
        """A drain and the file descriptor that the process writes to."""
        read_end, write_end = os.pipe()
        drain = cls(output)
        await asyncio.get_running_loop().connect_read_pipe(lambda: drain, open(read_end, "rb", 0))  # noqa: SIM115, PTH123, ASYNC230 - a descriptor; the transport closes it
        return drain, write_end

    def data_received(self, data: bytes) -> None:
        self._output.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._output.end()
        self._closed.set()

    async def wait_closed(self, seconds: float) -> None:
        """Wait until all writers have closed their end, ``seconds`` at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)


async def _ends_within(waiting: Awaitable[int], seconds: float, hurry: asyncio.Event) -> bool:
    """Whether ``waiting`` ends within ``seconds``, or within one second once ``hurry`` is set."""
    over = asyncio.ensure_future(waiting)
    hurried = asyncio.ensure_future(hurry.wait())
    await asyncio.wait((over, hurried), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if hurried.done() and not over.done():
        await asyncio.wait((over,), timeout=min(seconds, HURRIED_SECONDS))
    done = over.done()
    over.cancel()
    hurried.cancel()
    return done
