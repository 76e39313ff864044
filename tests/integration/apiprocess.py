"""``python -m api.server`` as a process of its own, and sockets that speak to it as nobody should."""

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.system.running import free_port

PATIENCE = 120.0


@dataclass(frozen=True)
class Api:
    """``address``: where it listens; ``process``: its one process."""

    address: tuple[str, int]
    process: psutil.Process

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(self.process.memory_info().rss)

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(self.address, timeout=30)
        connection.sendall(sent)
        return connection

    def answer(self, sent: bytes) -> bytes:
        """All that comes back until the server closes, or nothing comes for a second."""
        with self.connect() as connection:
            send(connection, sent)
            return received(connection)

    def accepts(self, within: float) -> None:
        """A document and a question of an ordinary caller are accepted, each in so many seconds."""
        with httpx.Client(base_url=self.url, timeout=within) as http:
            http.post("/v1/documents", json={"text": f"The lamp {time.time()} is green."}).raise_for_status()
            http.post("/v1/queries", json={"question": "What is green?"}).raise_for_status()


def send(connection: socket.socket, sent: bytes) -> bool:
    """Whether all of it could be sent before the server closed."""
    try:
        connection.sendall(sent)
    except OSError:
        return False
    return True


def received(connection: socket.socket, silence: float = 1.0) -> bytes:
    connection.settimeout(silence)
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
    except OSError:
        return answer
    return answer


def is_open(connection: socket.socket) -> bool:
    """Whether the server has neither closed nor reset the connection; what it sent is passed over."""
    connection.settimeout(0.0)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_held(connection: socket.socket) -> bool:
    """Whether a server of this process holds the connection; nothing is read, which would move it on."""
    ours = connection.getsockname()
    others = psutil.Process().net_connections("tcp")
    return any(other.raddr == ours and other.status == psutil.CONN_ESTABLISHED for other in others)


@contextmanager
def started(broker: str, home: Path, **settings: str) -> Iterator[Api]:
    port = free_port()
    environment = {
        **os.environ,
        "REDIS_URL": broker,
        "AEGIS_HOME": str(home),
        "API_HOST": "127.0.0.1",
        "API_PORT": str(port),
        "API_WORKERS": "1",
        "RATE_LIMIT_REQUESTS_PER_MINUTE": "0",
        "LOG_LEVEL": "WARNING",
        **settings,
    }
    process = subprocess.Popen([sys.executable, "-m", "api.server"], env=environment)
    api = Api(("127.0.0.1", port), psutil.Process(process.pid))
    try:
        _await(api, process)
        yield api
    finally:
        process.terminate()
        process.wait(30)


def _await(api: Api, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, "the API ended"
        try:
            httpx.get(f"{api.url}/health/live", timeout=5).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the API did not answer")


def allow_files(number: int) -> None:
    """Let this process open so many files, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))
