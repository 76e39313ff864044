"""The process that has the workers' modules loaded and becomes a part whenever it is asked to.

Loading Celery, redis-py and our own modules takes a worker two seconds of processor time,
and ten programs do it at every start. Here it is done once; each of them is a fork, which
takes milliseconds and shares the memory of what was loaded. Nothing is opened or started
before the fork: no thread, no connection, no model. Linux only, since other systems do not
promise that a process may go on after a fork without a new program.

Started by :class:`cli.nursery.Nursery` as ``python -m cli.zygote FD`` with one end of a
socket pair. Requests and answers are JSON, one a line: ``{"argv", "environment", "folder",
"nice"}`` with the descriptor to write to, answered by ``{"pid"}``; later ``{"ended",
"status"}``. It ends when the other end is closed.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from setproctitle import setproctitle

from rag.settings import load
from rag.starting import shield, starting

PRELOADED = (
    "workers.main",
    "beat.main",
    "tasks.answer",
    "tasks.ingest",
    "tasks.maintenance",
    "tasks.reindex",
    "tasks.backup",
    "tasks.prune",
    "tasks.records",
    "tasks.restore",
    "tasks.scheduled",
    "tasks.upkeep",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "kombu.transport.redis",
)
_REQUEST_BYTES = 262_144
_SIGNALS = 4096  # bytes, one each


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. Returns None when the owner is gone – and, in each child, its request."""
    ends = _child_ends()
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(ends, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            for pid, status in _reap(ends):
                _say(connection, {"ended": pid, "status": status})
            if connection not in ready:
                continue
            request = _received(connection)
            if request is None:
                return None
            pid = os.fork()
            if not pid:
                return request
            os.close(request["output"])
            _say(connection, {"pid": pid})


def become(request: dict[str, Any]) -> None:
    """Run the program of the request as if it had been executed: ``[python, "-m", module, …]``."""
    os.setpgid(0, 0)  # no session: see cli.process
    _only_output(request["output"])
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.nice(request["nice"])
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    _, _, module, *arguments = request["argv"]
    sys.argv = [module, *arguments]
    setproctitle(" ".join(request["argv"]))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _only_output(output: int) -> None:
    """Standard streams to ``output`` and from nothing; every other descriptor is closed."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2:
            with suppress(OSError):  # the one that listed them is closed already
                os.close(descriptor)


def _child_ends() -> socket.socket:
    """Readable whenever a child has ended."""
    reading, writing = socket.socketpair()
    for end in (reading, writing):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading


def _reap(ends: socket.socket) -> Iterator[tuple[int, int]]:
    """(pid, status) of the children that have ended, the status negative for a signal."""
    with suppress(BlockingIOError):  # none has
        ends.recv(_SIGNALS)
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # none left
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _received(connection: socket.socket) -> dict[str, Any] | None:
    """The next request, its descriptor as ``output``; None at the end."""
    line, outputs, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, 1)
    while line and not line.endswith(b"\n"):
        line += connection.recv(_REQUEST_BYTES)
    if not line:
        return None
    return {**json.loads(line), "output": outputs[0]}


def _say(connection: socket.socket, message: dict[str, int]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    setproctitle(f"{sys.executable} -m cli.zygote")
    for module in PRELOADED:
        importlib.import_module(module)
    with starting("the parts' zygote"):
        shield(load())
    gc.collect()
    gc.freeze()  # the collector would otherwise touch, and so copy, every shared page
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()
