"""Redis as production has it: behind a password, TLS and Sentinels, on ports of this machine."""

import selectors
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import redis

from rag.redis.connection import connect_to
from rag.redis.embedded import bundled_server
from tests.integration.brokers import declare_intact
from tests.system.running import free_port, until

PRIMARY = "aegis-primary"
PASSWORD = "p@ss/w:rd #1"
QUOTED = "p%40ss%2Fw%3Ard%20%231"
SENTINEL_PASSWORD = "watch-word"
DOWN_AFTER_MS = 1000


@dataclass
class Server:
    """A process that answers at a port of 127.0.0.1."""

    port: int
    process: "subprocess.Popen[bytes]"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def client(self, password: str = PASSWORD) -> "redis.Redis":
        return redis.Redis(port=self.port, password=password, socket_timeout=2)


@contextmanager
def server(folder: Path, *options: str, port: int = 0) -> Iterator[Server]:
    """A server with a password and an append-only file, in ``folder``."""
    port = port or free_port()
    home = folder / str(port)
    home.mkdir(exist_ok=True)
    words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(home), "--save", ""]
    words += ["--appendonly", "yes", "--appendfsync", "no", "--repl-diskless-sync-delay", "0"]
    words += ["--requirepass", PASSWORD, "--masterauth", PASSWORD, *options]
    with _running(words, home / "log") as process:
        mine = Server(port, process)
        _await_answer(mine, PASSWORD)
        yield mine


@contextmanager
def sentinel(folder: Path, primary: Server) -> Iterator[Server]:
    """A Sentinel, with a password of its own, that calls ``primary`` PRIMARY and decides alone."""
    port = free_port()
    config = folder / f"sentinel-{port}.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nrequirepass {SENTINEL_PASSWORD}\n"
        f"sentinel monitor {PRIMARY} 127.0.0.1 {primary.port} 1\n"
        f'sentinel auth-pass {PRIMARY} "{PASSWORD}"\n'
        f"sentinel down-after-milliseconds {PRIMARY} {DOWN_AFTER_MS}\n"
        f"sentinel failover-timeout {PRIMARY} 10000\n"
    )
    with _running([str(config), "--sentinel"], folder / f"sentinel-{port}.log") as process:
        mine = Server(port, process)
        _await_answer(mine, SENTINEL_PASSWORD)
        yield mine


@dataclass
class Watched:
    """A primary, its replica, and the Sentinel that watches both."""

    primary: Server
    replica: Server
    sentinel: Server
    nowhere: int
    """A port on which nobody listens; the first Sentinel of ``url``."""

    @property
    def url(self) -> str:
        places = f"127.0.0.1:{self.nowhere},127.0.0.1:{self.sentinel.port}"
        return f"sentinel://:{QUOTED}@{places}/{PRIMARY}?sentinel_password={SENTINEL_PASSWORD}"

    def fail_over(self) -> None:
        """Kill the primary, and wait until the replica has taken its place."""
        self.primary.kill()
        with closing(self.replica.client()) as client:
            until(lambda: client.info("replication")["role"] == "master", 60)

    def cut_replication(self) -> None:
        """What is written from now on reaches the primary alone."""
        with closing(self.primary.client()) as first, closing(self.replica.client()) as second:
            second.config_set("primaryauth", "wrong")
            first.execute_command("CLIENT KILL TYPE replica")
            until(lambda: second.info("replication")["master_link_status"] == "down")

    def replicated(self) -> None:
        """Wait until the replica has all that the primary has."""
        with closing(self.primary.client()) as first, closing(self.replica.client()) as second:
            written = first.info("replication")["master_repl_offset"]
            until(lambda: second.info("replication")["slave_repl_offset"] >= written, 60)


@contextmanager
def watched() -> Iterator[Watched]:
    """An empty database whose records count as intact, replicated once."""
    with TemporaryDirectory(prefix="aegis-", dir="/tmp") as name, ExitStack() as stack:
        folder = Path(name)
        primary = stack.enter_context(server(folder))
        replica = stack.enter_context(server(folder, "--replicaof", f"127.0.0.1 {primary.port}"))
        all_three = Watched(primary, replica, stack.enter_context(sentinel(folder, primary)), free_port())
        with closing(all_three.sentinel.client(SENTINEL_PASSWORD)) as asked:
            until(lambda: len(asked.sentinel_slaves(PRIMARY)) == 1, 60)
        with connect_to(all_three.url) as client:
            declare_intact(client)
        all_three.replicated()
        yield all_three


@contextmanager
def behind_tls(port: int, certificate: ssl.SSLContext) -> Iterator[int]:
    """A port that speaks TLS in front of ``port``; connections without TLS are ended, as Redis ends them."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=_serve, args=(connection, certificate, port), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _serve(connection: socket.socket, certificate: ssl.SSLContext, port: int) -> None:
    with (
        suppress(OSError),
        connection,
        certificate.wrap_socket(connection, server_side=True) as outer,
        socket.create_connection(("127.0.0.1", port)) as inner,
    ):
        _pump(outer, inner)


def _pump(outer: ssl.SSLSocket, inner: socket.socket) -> None:
    with selectors.DefaultSelector() as ready:
        ready.register(outer, selectors.EVENT_READ, inner)
        ready.register(inner, selectors.EVENT_READ, outer)
        while True:
            for key, _ in ready.select():
                source: socket.socket = key.fileobj  # type: ignore[assignment]
                data = source.recv(1 << 16)
                if not data:
                    return
                key.data.sendall(data)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    key.data.sendall(source.recv(source.pending()))


@contextmanager
def _running(words: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as out:
        process = subprocess.Popen([str(bundled_server()), *words], stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def _await_answer(mine: Server, password: str) -> None:
    def answers() -> bool:
        assert mine.process.poll() is None, "the server has ended"
        with suppress(redis.ConnectionError), closing(mine.client(password)) as client:
            return bool(client.ping())
        return False

    until(answers, 30)
