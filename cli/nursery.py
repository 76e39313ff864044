"""The supervisor's side of :mod:`cli.zygote`: parts that are forked rather than started anew."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any, BinaryIO

from cli.part import Part
from rag.folders import private_folder

_ROOM = " " * 600
"""An argument that only takes up room: a process's title can be as long as its arguments were."""


class Forked:
    """A forked part, with what the supervisor uses of asyncio's processes."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self.status)

    def send_signal(self, number: int) -> None:
        if self.status.done():
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)


class Nursery:
    """One zygote. Where it is gone, :meth:`fork` says so, and its parts count as killed."""

    def __init__(self, zygote: asyncio.subprocess.Process, connection: socket.socket) -> None:
        self.pid = zygote.pid
        self._zygote = zygote
        self._connection = connection
        self._asking = asyncio.Lock()
        self._answers: asyncio.Queue[Forked | None] = asyncio.Queue()
        self._children: dict[int, Forked] = {}
        self._gone = False
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, *, environment: Mapping[str, str], folder: Path, log: Path) -> "Nursery":
        """Start a zygote; it loads its modules meanwhile. Its own words, errors only, go to ``log``.

        ConfigurationError where the folder of ``log`` cannot be made.
        """
        words = _appending(log)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs, words:
            zygote = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cli.zygote", str(theirs.fileno()), _ROOM),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env=environment,
                cwd=folder,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # as parts have: no session
            )
        return cls(zygote, ours)

    async def fork(self, part: Part, output: int, folder: Path) -> Forked | None:
        """The part's process, which writes to the descriptor ``output``; None where the zygote is gone."""
        request = {
            "argv": list(part.command),
            "environment": dict(part.environment),
            "folder": str(folder),
            "nice": part.nice,
        }
        async with self._asking:
            if self._gone:
                return None
            try:
                socket.send_fds(self._connection, [json.dumps(request).encode() + b"\n"], [output])
            except OSError:  # the listener notices too
                return None
            return await self._answers.get()

    async def close(self) -> None:
        """End the zygote, whose children have ended."""
        self._connection.close()
        self._listening.cancel()
        with suppress(ProcessLookupError):
            self._zygote.kill()
        await self._zygote.wait()

    async def _listen(self) -> None:
        loop, rest = asyncio.get_running_loop(), b""
        while data := await _read(loop, self._connection):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
        self._lose_all()

    def _hear(self, message: dict[str, Any]) -> None:
        if "pid" in message:
            child = self._children[message["pid"]] = Forked(message["pid"])
            self._answers.put_nowait(child)
        else:
            self._children.pop(message["ended"]).status.set_result(message["status"])

    def _lose_all(self) -> None:
        """Nobody tells of the children's ends any more, so they end now and are started without a zygote."""
        self._gone = True
        self._answers.put_nowait(None)
        for child in self._children.values():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, SIGKILL)
            child.status.set_result(-SIGKILL)
        self._children.clear()


def _appending(log: Path) -> BinaryIO:
    """To nowhere when it cannot be opened."""
    private_folder(log.parent)
    try:
        return log.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


async def _read(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    """b"" at the end, however it came."""
    try:
        return await loop.sock_recv(connection, 65536)
    except OSError:
        return b""
