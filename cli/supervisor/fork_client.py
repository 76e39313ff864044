"""The supervisor's connection to the fork server of :mod:`cli.supervisor.fork_server`."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from typing import BinaryIO

from cli.supervisor.orphan_guard import OrphanGuard
from cli.supervisor.service import Service
from rag.system.folders import private_folder

_TITLE_ROOM = " " * 600
"""An argument that reserves memory: a process's title can only be as long as its arguments were."""


class ForkedProcess:
    """A process that the fork server made, with the interface of an asyncio process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self.status)

    def send_signal(self, number: int) -> None:
        if self.status.done():
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)


class ForkClient:
    """One fork server, which also ends the services when the supervisor no longer can.

    When it has died, :meth:`fork` returns None, its children are killed, and an :class:`OrphanGuard` guards.
    """

    def __init__(self, server: asyncio.subprocess.Process, connection: socket.socket) -> None:
        self.pid = server.pid
        self._server = server
        self._connection = connection
        self._asking = asyncio.Lock()
        self._answers: asyncio.Queue[ForkedProcess | None] = asyncio.Queue()
        self._children: dict[int, ForkedProcess] = {}
        self._gone = False
        self._groups: set[int] = set()
        self._stand_in: OrphanGuard | None = None
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, *, environment: Mapping[str, str], folder: Path, log: Path) -> "ForkClient":
        """Start a fork server, without waiting until it has loaded its modules. Its errors go to ``log``.

        ConfigurationError where the folder of ``log`` cannot be made.
        """
        output = _open_log(log)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs, output:
            server = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "cli.supervisor.fork_server", str(theirs.fileno()), _TITLE_ROOM),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=folder,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # like the services: no session of its own
            )
        return cls(server, ours)

    async def fork(self, service: Service, output: int, folder: Path) -> ForkedProcess | None:
        """The service's process, which writes to the descriptor ``output``; None without a fork server."""
        request = {
            "argv": list(service.command),
            "environment": dict(service.environment),
            "folder": str(folder),
            "nice": service.nice,
        }
        async with self._asking:
            if self._gone:
                return None
            try:
                socket.send_fds(self._connection, [json.dumps(request).encode() + b"\n"], [output])
            except OSError:  # the server has died; _listen sees it too
                return None
            return await self._answers.get()

    def guard(self, group: int) -> None:
        """End the process group when this process ends."""
        self._groups.add(group)
        if self._stand_in:
            self._stand_in.guard(group)
        else:
            self._tell({"guard": group})

    def release(self, group: int) -> None:
        self._groups.discard(group)
        if self._stand_in:
            self._stand_in.release(group)
        else:
            self._tell({"release": group})

    def _tell(self, message: dict[str, int]) -> None:
        with suppress(OSError):  # the server has died; _listen sees it too, and has the groups guarded
            self._connection.send(json.dumps(message).encode() + b"\n")

    async def close(self) -> None:
        """End the fork server. Its children must have ended."""
        self._connection.close()
        self._listening.cancel()
        if self._stand_in:
            self._stand_in.close()
        with suppress(ProcessLookupError):
            self._server.kill()
        await self._server.wait()

    async def _listen(self) -> None:
        """Read the server's messages, ``{"pid"}`` and ``{"ended", "status"}``, until it is gone."""
        loop, rest = asyncio.get_running_loop(), b""
        with suppress(OSError):
            while data := await loop.sock_recv(self._connection, 65536):
                *lines, rest = (rest + data).split(b"\n")
                for message in map(json.loads, lines):
                    if "pid" in message:
                        child = self._children[message["pid"]] = ForkedProcess(message["pid"])
                        self._answers.put_nowait(child)
                    else:
                        self._children.pop(message["ended"]).status.set_result(message["status"])
        # Nobody reports any more when a child ends, so all end now and are started again without the server.
        self._gone = True
        self._stand_in = OrphanGuard()
        for group in self._groups:
            self._stand_in.guard(group)
        self._answers.put_nowait(None)
        for child in self._children.values():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, SIGKILL)
            child.status.set_result(-SIGKILL)
        self._children.clear()


def _open_log(path: Path) -> BinaryIO:
    """The null device when the file cannot be opened, for example on a full disk."""
    private_folder(path.parent)
    try:
        return path.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")
