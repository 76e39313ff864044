"""Servers that a measurement needs beside a stack: a broker, and Qdrant where its program is at hand."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx

from bench.stack import free_ports
from rag.errors import Unavailable
from rag.redis import embedded
from rag.settings import Settings

READY_SECONDS, STOP_SECONDS = 60.0, 20.0


@contextmanager
def running_broker(home: Path) -> Iterator[Path]:
    """A broker of its own in the empty folder ``home``, until the block ends. Yields its socket."""
    settings = Settings(aegis_home=home)
    process = subprocess.Popen(embedded.command(settings))
    try:
        _wait_until(settings.broker_socket.exists, "the broker")
        yield settings.broker_socket
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


@contextmanager
def running_qdrant(program: Path, folder: Path) -> Iterator[str]:
    """A Qdrant server with empty storage in ``folder``, until the block ends. Yields its URL."""
    http_port, grpc_port = free_ports(2)
    options = {
        "QDRANT__SERVICE__HOST": "127.0.0.1",
        "QDRANT__SERVICE__HTTP_PORT": str(http_port),
        "QDRANT__SERVICE__GRPC_PORT": str(grpc_port),
        "QDRANT__STORAGE__STORAGE_PATH": str(folder / "storage"),
        "QDRANT__STORAGE__SNAPSHOTS_PATH": str(folder / "snapshots"),
        "QDRANT__TELEMETRY_DISABLED": "true",
        "QDRANT__LOG_LEVEL": "ERROR",
    }
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([program], env={**os.environ, **options}, cwd=folder)
    url = f"http://127.0.0.1:{http_port}"
    try:
        _wait_until(lambda: _is_ready(url), "the Qdrant server")
        yield url
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:  # it does not listen yet
        return False


def _wait_until(condition: Callable[[], bool], name: str) -> None:
    deadline = monotonic() + READY_SECONDS
    while not condition():
        if monotonic() > deadline:
            raise Unavailable(f"{name} did not get ready within {READY_SECONDS:.0f} s")
        sleep(0.05)
