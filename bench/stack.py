"""A separate stack for a measurement: in an empty folder, on free ports, removed afterwards."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import httpx
import psutil

from rag.errors import Unavailable

READY_SECONDS = 120.0
STOP_SECONDS = 60.0
_NOT_INHERITED = frozenset(
    {
        "API_KEYS",
        "BLOB_URL",
        "CACHE_TTL_SECONDS",
        "GENERATOR",
        "JINA_API_KEY",
        "OLLAMA_URL",
        "QDRANT_URL",
        "REDIS_URL",
    }
)
"""Variables that would make a measurement depend on where it runs."""


@dataclass(frozen=True, slots=True)
class Stack:
    """``ready_seconds``: from the start of ``aegis up`` until every component was ready."""

    url: str
    pid: int
    ready_seconds: float

    def memory_mb(self) -> float:
        """Resident memory of all its processes; shared pages count once where the system tells them."""
        root = psutil.Process(self.pid)
        infos = [process.memory_full_info() for process in (root, *root.children(recursive=True))]
        return float(sum(getattr(info, "pss", info.rss) for info in infos)) / 1e6

    def processor_seconds(self) -> float:
        """Processor time of all its processes that are running, since each was started."""
        root = psutil.Process(self.pid)
        times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
        return float(sum(each.user + each.system for each in times))


@contextmanager
def started(home: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Run ``aegis up`` in ``home`` (an empty folder by default) with ``settings`` until the block ends.

    Raises Unavailable, with the end of its output, when it does not get ready.
    """
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as scratch:
        folder = home or Path(scratch) / "home"
        folder.mkdir(parents=True, exist_ok=True)
        variables = environment(folder, settings)
        output = Path(scratch) / "up.log"
        begun = monotonic()
        with output.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.main", "up"], env=variables, stdout=log, stderr=log
            )
        try:
            url = f"http://127.0.0.1:{variables['API_PORT']}"
            _wait_until_ready(url, process, output)
            yield Stack(url, process.pid, monotonic() - begun)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)


def environment(home: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a stack in ``home`` on free ports, on which nothing of the outside has an effect."""
    port, flower = free_ports(2)
    return {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED} | {
        "AEGIS_CONFIG": "none",
        "AEGIS_HOME": str(home),
        "API_HOST": "127.0.0.1",
        "API_PORT": str(port),
        "FLOWER_PORT": str(flower),
        "PROCESS_INSPECTION": "true",  # else the system tells only root of shared pages
        "CACHE_MB": "1",  # the caches are written to as usual, but are too small to find anything
        **(settings or {}),
    }


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = monotonic() + READY_SECONDS
    while monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        sleep(0.05)
    raise Unavailable(f"the stack did not get ready: {output.read_text('utf-8', 'replace')[-2000:]}")
