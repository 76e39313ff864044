"""The parts of a stack, each started by itself as its container starts it, and what each takes. Linux only.

Under ``aegis up`` workers share memory, since they are forked from one process; containers share none.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep

import httpx
import psutil

from bench.stack import environment
from rag.errors import Unavailable
from rag.settings import Settings
from tasks.lanes import LANES

STORES = ("broker", "vectors")
OTHERS = ("api", *(f"worker-{lane.name}" for lane in LANES), "beat", "flower")
READY_SECONDS = 600.0
STOP_SECONDS = 60.0
SAMPLING_SECONDS = 0.5

_ROLLUP = re.compile(r"^(Pss_Anon|Pss_Shmem):\s+(\d+) kB", re.M)
_FILES = re.compile(r"^RssFile:\s+(\d+) kB", re.M)


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes. ``own``: what a limit of memory must hold. ``files``: of mapped programs and libraries.

    The system may drop the latter and read them again; containers of one image on one machine share them.
    """

    own: float
    files: float


@dataclass(frozen=True, slots=True)
class Part:
    """A part with all its processes."""

    name: str
    process: psutil.Process

    def memory(self) -> Memory:
        """What it takes now. Its processes share what they were forked with, which counts once."""
        own, files = 0.0, 0.0
        for process in self._processes():
            proc = Path("/proc", str(process.pid))
            try:
                rollup, status = (proc / "smaps_rollup").read_text(), (proc / "status").read_text()
            except OSError:  # it has ended meanwhile
                continue
            own += sum(int(kilobytes) for _, kilobytes in _ROLLUP.findall(rollup)) / 1000
            files = max(files, *(int(kilobytes) / 1000 for kilobytes in _FILES.findall(status)))
        return Memory(own, files)

    def processor_seconds(self) -> float:
        """Since it was started, with its processes that have ended."""
        seconds = 0.0
        for process in self._processes():
            try:
                seconds += sum(process.cpu_times()[:4])
            except psutil.NoSuchProcess:
                continue
        return seconds

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@dataclass(frozen=True, slots=True)
class Parts:
    """A running stack, ``url`` being its API's."""

    url: str
    home: Path
    parts: tuple[Part, ...]

    def memory(self) -> dict[str, Memory]:
        return {part.name: part.memory() for part in self.parts}

    def processor_seconds(self) -> dict[str, float]:
        return {part.name: part.processor_seconds() for part in self.parts}

    @contextmanager
    def watched(self) -> Iterator[dict[str, float]]:
        """Megabytes of own memory that each part took at most, until the block ends."""
        over, highest = Event(), dict.fromkeys((part.name for part in self.parts), 0.0)

        def watch() -> None:
            while not over.wait(SAMPLING_SECONDS):
                for name, memory in self.memory().items():
                    highest[name] = max(highest[name], memory.own)

        watcher = Thread(target=watch)
        watcher.start()
        try:
            yield highest
        finally:
            over.set()
            watcher.join()


@contextmanager
def started(home: Path, settings: Mapping[str, str] | None = None) -> Iterator[Parts]:
    """Every part of the embedded profile, until the block ends. Unavailable when one does not get ready."""
    variables, log = environment(home, settings), home / "parts.log"
    chosen = Settings(aegis_home=home)
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))

        def start(*names: str) -> list[Part]:
            return [
                Part(name, stack.enter_context(_running(name, variables, output.fileno()))) for name in names
            ]

        # Nobody starts a worker again here that ended because it had waited for these in vain.
        parts = start(*STORES)
        _wait_until(lambda: chosen.broker_socket.exists() and chosen.vector_socket.exists(), parts, log)
        parts += start(*OTHERS)
        url = f"http://127.0.0.1:{variables['API_PORT']}"
        _wait_until(lambda: _is_ready(url), parts, log)
        yield Parts(url, home, tuple(parts))


@contextmanager
def _running(name: str, variables: Mapping[str, str], log: int) -> Iterator[psutil.Process]:
    command = [sys.executable, "-P", "-m", "cli.supervisor.container", name]
    process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # All that it holds is thrown away.
            process.kill()
            process.wait()


def _wait_until(condition: Callable[[], bool], parts: Sequence[Part], log: Path) -> None:
    deadline = monotonic() + READY_SECONDS
    while not condition():
        ended = [part.name for part in parts if part.process.status() == psutil.STATUS_ZOMBIE]
        if ended or monotonic() > deadline:
            told = log.read_text("utf-8", "replace")[-2000:]
            raise Unavailable(f"not ready; ended: {', '.join(ended) or 'none'}\n{told}")
        sleep(0.2)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:  # it does not listen yet
        return False
