"""A running instance of a part, in a session and process group of its own."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic

from cli.logs import Output
from cli.nursery import Forked, Nursery
from cli.part import Farewell, Part

HURRIED_SECONDS = 1.0
_LAST_WORDS_SECONDS = 2.0  # for a grandchild of another session that keeps the pipe open


class PartProcess:
    """Of its own group, so that a terminal's Ctrl-C does not reach it and nothing of it is left behind."""

    def __init__(self, process: Process | Forked, drain: "_Drain") -> None:
        self._process = process
        self._drain = drain
        self._started = monotonic()

    @classmethod
    async def start(
        cls,
        part: Part,
        output: Output,
        *,
        environment: Mapping[str, str],
        folder: Path,
        nursery: Nursery | None,
    ) -> "PartProcess":
        """Raises OSError when the program cannot be executed."""
        drain, write_end = await _Drain.into(output)
        try:
            process = await nursery.fork(part, write_end, folder) if nursery and part.forked else None
            return cls(process or await _executed(part, write_end, environment, folder), drain)
        finally:
            os.close(write_end)

    @property
    def pid(self) -> int:
        """The process id, also its process group's."""
        return self._process.pid

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._started

    async def wait(self) -> int:
        """Wait for the process; its status, negative for a signal. Ends what it left in its group."""
        status = await self._process.wait()
        self._kill_group()
        await self._drain.empty(_LAST_WORDS_SECONDS)
        return status

    async def stop(self, farewell: Farewell, hurry: asyncio.Event) -> int:
        """Say goodbye step by step, then kill; the status. With ``hurry`` set no step is over a second."""
        for step, grace in farewell:
            with suppress(ProcessLookupError):
                self._process.send_signal(step)
            if await _within(self._process.wait(), grace, hurry):
                break
        self._kill_group()
        return await self.wait()

    def _kill_group(self) -> None:
        """PermissionError is what macOS says of a group of zombies."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def ending(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    return f"signal {signal.Signals(-status).name}"


async def _executed(part: Part, output: int, environment: Mapping[str, str], folder: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        *(["nice", "-n", str(part.nice)] if part.nice else []),
        *part.command,
        stdin=DEVNULL,
        stdout=output,
        stderr=STDOUT,
        env={**environment, **part.environment},
        cwd=folder,
        process_group=0,  # no session: the kernel weighs each by itself, whatever its niceness
    )


class _Drain(asyncio.Protocol):
    """The read end of a pipe. Not asyncio's own: there, some versions wait for a process until its
    grandchildren have closed the pipe as well."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._closed = asyncio.Event()

    @classmethod
    async def into(cls, output: Output) -> tuple["_Drain", int]:
        """A drain and the file descriptor to write into."""
        read_end, write_end = os.pipe()
        drain = cls(output)
        await asyncio.get_running_loop().connect_read_pipe(lambda: drain, open(read_end, "rb", 0))  # noqa: SIM115, PTH123, ASYNC230 - a descriptor; the transport closes it
        return drain, write_end

    def data_received(self, data: bytes) -> None:
        self._output.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._output.end()
        self._closed.set()

    async def empty(self, seconds: float) -> None:
        """Wait until everybody has closed the other end, ``seconds`` at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)


async def _within(waiting: Awaitable[int], seconds: float, hurry: asyncio.Event) -> bool:
    """Whether ``waiting`` is over within ``seconds``, or within a second once ``hurry`` is set."""
    over = asyncio.ensure_future(waiting)
    hurried = asyncio.ensure_future(hurry.wait())
    await asyncio.wait((over, hurried), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if hurried.done() and not over.done():
        await asyncio.wait((over,), timeout=min(seconds, HURRIED_SECONDS))
    done = over.done()
    over.cancel()
    hurried.cancel()
    return done
