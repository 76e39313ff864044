"""The fork server: it has the workers' modules loaded and forks itself into a service on request.

A worker needs two seconds of processor time to load Celery, redis-py and our own modules, and
ten programs do so at every start. The fork server loads them once. Each service is then a
fork, which takes milliseconds and shares the memory of the loaded modules. Before the fork
nothing is opened or started: no thread, no connection, no model. Linux only: other systems do
not promise that a process may go on after a fork without executing a new program.

:class:`cli.supervisor.fork_client.ForkClient` starts it as ``python -m cli.supervisor.fork_server FD``, where
FD is one end of a socket pair. Requests and answers are JSON, one a line. A request is ``{"argv",
"environment", "folder", "nice"}`` and carries the descriptor that the service writes to. The
answer is ``{"pid"}``; when the process has ended, ``{"ended", "status"}`` follows.

When the other end of the socket closes, the supervisor has ended, for whatever reason. The server then ends
the process groups of ``{"guard"}`` that no ``{"release"}`` has taken back, and itself.
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
from time import monotonic, sleep
from typing import Any

from setproctitle import setproctitle

from rag.settings import load
from rag.startup import shield, starting

PRELOADED = (
    "workers.main",
    "beat.main",
    "tasks.answer.answer",
    "tasks.ingest.ingest",
    "tasks.upkeep.maintenance",
    "tasks.reindex.reindex",
    "tasks.backups.backup",
    "tasks.backups.prune",
    "tasks.upkeep.rebuild",
    "tasks.backups.restore",
    "tasks.backups.scheduled",
    "tasks.upkeep.layouts",
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.apps.beat",
    "celery.concurrency.prefork",
    "celery.worker.consumer",
    "kombu.transport.redis",
)
_REQUEST_BYTES = 262_144
_SIGNAL_BYTES = 4096  # one byte for each SIGCHLD
_GRACE_SECONDS = 5.0  # from SIGTERM to SIGKILL, for what an ended supervisor left
_CHECK_SECONDS = 0.1


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. Returns None when the supervisor is gone; in each child, its request.

    The request's descriptor is its ``output``. When the supervisor is gone, nothing that it guarded is left.
    """
    wakeups, guarded = _wake_on_child_exit(), set[int]()
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(wakeups, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            for pid, status in _reap(wakeups):
                _send(connection, {"ended": pid, "status": status})
            if connection not in ready:
                continue
            messages, outputs = _receive(connection)
            if not messages:
                _end_groups(guarded, wakeups)
                return None
            for message in messages:
                if "argv" not in message:
                    _note_group(guarded, message)
                    continue
                pid = os.fork()
                if not pid:
                    return {**message, "output": outputs[0]}
                # The child has its own copy; the pipe must close when the child ends.
                os.close(outputs[0])
                _send(connection, {"pid": pid})


def _receive(connection: socket.socket) -> tuple[list[dict[str, Any]], list[int]]:
    """The messages that have come, none when the other end is closed; the descriptor of a request among them.

    One read never gives two descriptors, since it ends behind the bytes that carried one (unix(7)).
    """
    lines, outputs, _, _ = socket.recv_fds(connection, _REQUEST_BYTES, 1)
    while lines and not lines.endswith(b"\n"):
        rest = connection.recv(_REQUEST_BYTES)
        if not rest:
            return [], outputs
        lines += rest
    return [json.loads(line) for line in lines.splitlines()], outputs


def _note_group(guarded: set[int], message: dict[str, int]) -> None:
    if "guard" in message:
        guarded.add(message["guard"])
    else:
        guarded.discard(message["release"])


def _end_groups(groups: set[int], wakeups: socket.socket) -> None:
    """Ask all processes of the groups to end, and kill those that have not after five seconds."""
    groups = _signal(groups, signal.SIGTERM)
    deadline = monotonic() + _GRACE_SECONDS
    while groups and monotonic() < deadline:
        sleep(_CHECK_SECONDS)
        list(_reap(wakeups))  # a group whose processes nobody has waited for still exists
        groups = _signal(groups, 0)
    _signal(groups, signal.SIGKILL)


def _signal(groups: set[int], number: int) -> set[int]:
    """Send a signal to the groups; those that still exist."""
    existing = set()
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, number)
            existing.add(group)
    return existing


def become(request: dict[str, Any]) -> None:
    """Run the program of the request as if it had been executed: ``[python, "-m", module, …]``."""
    os.setpgid(0, 0)  # a group, but no session: see cli.supervisor.process
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in enumerate((nothing, request["output"], request["output"])):
        os.dup2(source, target)
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2:
            with suppress(OSError):  # the descriptor that listed the folder is closed already
                os.close(descriptor)
    # What serve() has set is not for the service.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.nice(request["nice"])
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    _, _, module, *arguments = request["argv"]
    sys.argv = [module, *arguments]
    setproctitle(" ".join(request["argv"]))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _wake_on_child_exit() -> socket.socket:
    """A socket that becomes readable when a child has ended."""
    reading, writing = socket.socketpair()
    for end in (reading, writing):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading


def _reap(wakeups: socket.socket) -> Iterator[tuple[int, int]]:
    """(pid, status) of the children that have ended; the status is negative for a signal."""
    with suppress(BlockingIOError):  # no child has ended
        wakeups.recv(_SIGNAL_BYTES)
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there are no children
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _send(connection: socket.socket, message: dict[str, int]) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def main() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    setproctitle(f"{sys.executable} -m cli.supervisor.fork_server")
    for module in PRELOADED:
        importlib.import_module(module)
    with starting("the fork server"):
        shield(load())
    gc.collect()
    gc.freeze()  # else the collector writes to every shared page, which copies it
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()
