"""The vector engine's process: ``python -m rag.vectors.edge.server``.

It owns ``AEGIS_HOME/vectors`` and answers the calls of :mod:`rag.vectors.edge.client`,
a thread a connection. It does nothing else, because the engine holds the interpreter
lock while it works. SIGTERM and SIGINT finish the calls in flight, flush and end with 0.
"""

import logging
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread, current_thread
from time import monotonic
from types import FrameType
from typing import Any

from rag import settings
from rag.errors import AegisError, ConfigurationError, Conflict
from rag.startup import log_as, shield
from rag.vectors.edge import wire
from rag.vectors.edge.store import EdgeVectorStore

log = logging.getLogger(__name__)

QUIET_SECONDS = 30.0
"""Nobody searched for so long: the time to optimise."""

_SLOW_SECONDS = 1.0
"""A call that takes longer is told in the log."""

_SWITCH_SECONDS = 0.0005  # a search that waits for an upsert's Python code gets its turn sooner


class VectorServer:
    """Answers requests on ``listener`` out of ``store`` until :meth:`stop`."""

    def __init__(self, store: EdgeVectorStore, listener: socket.socket) -> None:
        self._store = store
        self._listener = listener
        self._stopping = Event()
        self._changing = Lock()
        self._clients: dict[Thread, socket.socket] = {}

    def serve(self) -> None:
        """Return when stopped, all calls in flight answered."""
        keeper = Thread(target=self._optimize_now_and_then, name="optimizer", daemon=True)
        keeper.start()
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                self._accept(self._listener.accept()[0])
        self._end_clients()
        keeper.join()

    def stop(self) -> None:
        self._stopping.set()

    def _accept(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        thread = Thread(target=self._talk, args=(connection,), name="client", daemon=True)
        with self._changing:
            self._clients[thread] = connection
        thread.start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection:
                while (body := wire.receive(connection)) is not None:
                    wire.send(connection, self._answer(body))
        except OSError as error:
            log.info("a client's connection broke: %s", error)
        finally:
            with self._changing:
                self._clients.pop(current_thread(), None)

    def _answer(self, body: bytes) -> bytes:
        try:
            method, arguments, named = wire.unpacked(body)
            with _telling_if_slow(method):
                return wire.packed([None, self._method(method)(*arguments, **named)])
        except AegisError as error:
            return wire.packed([wire.error_fields(error), None])
        except Exception:
            log.exception("a call failed")
            return wire.packed(
                [wire.error_fields(AegisError("the vector engine failed; its log says why")), None]
            )

    def _method(self, name: str) -> Callable[..., Any]:
        if name not in wire.METHODS:
            raise ValueError(f"{name!r} is no call of the vector engine")
        method: Callable[..., Any] = getattr(self._store, name)
        return method

    def _optimize_now_and_then(self) -> None:
        while not self._stopping.wait(1.0):
            try:
                self._store.optimize_when_idle(QUIET_SECONDS)
            except AegisError:
                log.exception("optimising failed; searches stay right but get slower")

    def _end_clients(self) -> None:
        """Idle connections end at once, busy ones after their answer."""
        with self._changing:
            clients = dict(self._clients)
        for connection in clients.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        for thread in clients:
            thread.join()


@contextmanager
def _telling_if_slow(method: str) -> Iterator[None]:
    began = monotonic()
    try:
        yield
    finally:
        if (seconds := monotonic() - began) >= _SLOW_SECONDS:
            log.info("%s took %.1f s", method, seconds)


def listen(path: Path) -> socket.socket:
    """A listening Unix socket for this user only, in place of a stale one. ConfigurationError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(128)
        listener.settimeout(0.2)
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"cannot listen on {path}: {error}") from error
    return listener


def run(folder: Path, path: Path) -> None:
    """Serve ``folder`` on the socket ``path`` until a signal. ConfigurationError, Conflict."""
    store = EdgeVectorStore(folder)
    try:
        with listen(path) as listener:
            server = VectorServer(store, listener)
            _stop_on_signals(server)
            log.info("the vector engine is ready on %s with %d collections", path, len(store.collections()))
            server.serve()
            path.unlink(missing_ok=True)
    finally:
        store.close()


def _stop_on_signals(server: VectorServer) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def main() -> int:
    """The exit status: 0 after a signal, 1 when the start is refused, with one line that says why."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        values = settings.load()
        log_as("vectors", values)
        shield(values)
        run(values.home / "vectors", values.vector_socket)
    except (ConfigurationError, Conflict, OSError) as error:
        sys.stderr.writelines(
            f"the vector engine does not start: {line}\n" for line in str(error).splitlines()
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
