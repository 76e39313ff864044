"""A real stack, started as a person starts it, in a home and on ports of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil

READY_SECONDS = 120.0
STOP_SECONDS = 60.0
UNSCHEDULED = {f"BACKUP_{name}SCHEDULE": "never" for name in ("", "VERIFY_", "REHEARSE_", "PRUNE_")}
"""What happens does not hang on the time of the day."""


@dataclass
class Stack:
    """An ``aegis up`` (or another command that runs a stack) and what it printed."""

    home: Path
    api_port: int
    flower_port: int
    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ("up",)
    module: str = "cli.main"
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def printed(self) -> str:
        return (self.home / "printed.txt").read_text("utf-8", "replace")

    def start(self) -> "Stack":
        with (self.home / "printed.txt").open("ab") as printed:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                env=dict(self.environment),
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def until_ready(self) -> "Stack":
        until(lambda: "Ctrl-C stops everything." in self.printed or self.ended(), READY_SECONDS)
        assert not self.ended(), self.printed
        return self

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait; the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def processes(self) -> list[psutil.Process]:
        """Every living process of this stack, known by the AEGIS_HOME in its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                home = process.environ().get("AEGIS_HOME")
                if home == str(self.home) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:  # gone meanwhile, or another user's
                continue
        return found

    def worker(self, lane: str) -> psutil.Process:
        """The main process of a lane's worker."""
        workers = [process for process in self.processes() if lane in _queues(process)]
        return min(workers, key=lambda process: process.create_time())

    def part(self, lane: str) -> str:
        """The name of the part that serves a lane, alone or with others."""
        return f"worker-{'+'.join(_queues(self.worker(lane)))}"


def _queues(process: psutil.Process) -> list[str]:
    named = re.search(r"--queues (\S+)", " ".join(process.cmdline()))
    return named[1].split(",") if named else []


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came"
        time.sleep(0.05)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stack_in(home: Path, *arguments: str, **settings: str) -> Stack:
    """A stack that is not started yet. Settings of the outside that would change it are left out."""
    api_port, flower_port = free_port(), free_port()
    outside = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("REDIS_", "QDRANT_", "JINA_", "OLLAMA_", "API_", "ALLOW", "FLOWER_", "GENERATOR")
        )
    }
    environment = {
        **outside,
        "AEGIS_HOME": str(home),
        "API_PORT": str(api_port),
        "FLOWER_PORT": str(flower_port),
        "PROCESS_INSPECTION": "true",  # processes are known by their environment
        **UNSCHEDULED,
        **settings,
    }
    return Stack(home, api_port, flower_port, environment, arguments or ("up",))
