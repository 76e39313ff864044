"""The vector engine's process: ``python -m rag.vectors.edge.server``.

It owns ``AEGIS_HOME/vectors`` and answers the calls of :mod:`rag.vectors.edge.client`, with
one thread per connection. It does nothing else, because the engine holds the interpreter
lock while it works. On SIGTERM or SIGINT it answers the calls in flight, flushes and exits with 0.
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
from typing import Any

from rag import settings
from rag.errors import AegisError, ConfigurationError, Conflict
from rag.startup import log_as, shield, write_refusal
from rag.system.liveness import LivenessFile
from rag.vectors.edge import wire
from rag.vectors.edge.store import EdgeVectorStore

log = logging.getLogger(__name__)

QUIET_SECONDS = 30.0
"""After so long without a search, collections are compacted."""

FLUSHED_SECONDS = 30.0
"""The pause between two looks for collections to flush."""

_SLOW_SECONDS = 1.0
"""Longer calls are logged."""

_SWITCH_SECONDS = 0.0005  # searches wait less for the Python code of an upsert


class VectorServer:
    """Answers requests on ``listener`` from ``store`` until :meth:`stop`; touches ``liveness`` meanwhile."""

    def __init__(self, store: EdgeVectorStore, listener: socket.socket, liveness: LivenessFile) -> None:
        self._store = store
        # clients can call these methods and no other attribute of the store
        self._methods: dict[str, Callable[..., Any]] = {name: getattr(store, name) for name in wire.METHODS}
        self._listener = listener
        self._liveness = liveness
        self._stopping = Event()
        self._changing = Lock()
        self._clients: dict[Thread, socket.socket] = {}

    def serve(self) -> None:
        """Return after :meth:`stop`, when all calls in flight are answered."""
        compactor = Thread(target=self._compact_regularly, name="compactor", daemon=True)
        compactor.start()
        flusher = Thread(target=self._flush_regularly, name="flusher", daemon=True)
        flusher.start()
        while not self._stopping.is_set():
            self._liveness.touch()
            with suppress(TimeoutError):
                connection, _ = self._listener.accept()
                connection.settimeout(None)
                thread = Thread(target=self._serve_client, args=(connection,), name="client", daemon=True)
                with self._changing:
                    self._clients[thread] = connection
                thread.start()
        with self._changing:
            clients = dict(self._clients)
        for connection in clients.values():  # idle connections end at once, busy ones after their answer
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        for thread in (*clients, compactor, flusher):
            thread.join()

    def stop(self) -> None:
        self._stopping.set()

    def _serve_client(self, connection: socket.socket) -> None:
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
            name, arguments, named = wire.unpacked(body)
            with _slow_call_logged(name):
                return wire.packed([None, self._methods[name](*arguments, **named)])
        except AegisError as error:
            return wire.packed([wire.error_fields(error), None])
        except Exception:
            log.exception("a call failed")
            return wire.packed(
                [wire.error_fields(AegisError("the vector engine failed; its log says why")), None]
            )

    def _flush_regularly(self) -> None:
        while not self._stopping.wait(FLUSHED_SECONDS):
            self._store.flush_old()

    def _compact_regularly(self) -> None:
        while not self._stopping.wait(1.0):
            try:
                self._store.compact_when_idle(QUIET_SECONDS, lambda: not self._stopping.is_set())
            except AegisError:
                log.exception("compacting failed; searches are right, and the disk fills")


@contextmanager
def _slow_call_logged(method: str) -> Iterator[None]:
    began = monotonic()
    try:
        yield
    finally:
        if (seconds := monotonic() - began) >= _SLOW_SECONDS:
            log.info("%s took %.1f s", method, seconds)


def listen(path: Path) -> socket.socket:
    """A listening Unix socket that only this user can open. Replaces a stale one. ConfigurationError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        # a chmod after bind would leave the socket open to others for a moment
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


def run(folder: Path, path: Path, liveness: LivenessFile) -> None:
    """Serve ``folder`` on the socket ``path`` until a signal. ConfigurationError, Conflict."""
    store = EdgeVectorStore(folder)
    try:
        with listen(path) as listener:
            server = VectorServer(store, listener, liveness)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _signal, _frame: server.stop())
            log.info("the vector engine is ready on %s with %d collections", path, len(store.collections()))
            server.serve()
            path.unlink(missing_ok=True)
    finally:
        store.close()


def main() -> int:
    """The exit status: 0 after a signal; 1 when it cannot start, with the reasons on stderr."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        values = settings.load()
        log_as("vectors", values)
        shield(values)
        run(values.home / "vectors", values.vector_socket, LivenessFile(values.liveness_file))
    except (ConfigurationError, Conflict, OSError) as error:
        write_refusal("the vector engine does not start", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
