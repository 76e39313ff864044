"""The stack under attack: a real ``aegis up``, its processes by name, and ways to hurt them."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil

from cli.supervisor.lockfile import StackFile
from rag.redis.connection import connect
from rag.settings import Settings
from rag.vectors.edge.client import RemoteVectorStore
from tasks.lane_groups import lane_groups
from tests.chaos.faults.traps import Traps
from tests.chaos.load import stock
from tests.chaos.texts import CHUNK_TOKENS
from tests.system.running import Stack, stack_in, until

ROOT = Path(__file__).resolve().parents[2]
BACK_SECONDS = 120.0

_QUEUE = "{{aegis}}:queue:{}\x06\x16{}"
_PRIORITIES = (3, 6)
"""Of bells, and of those that wait for the end of a pause. Canaries have another one."""

QUICK = {
    "CHUNK_TOKENS": str(CHUNK_TOKENS),
    "PYTHONPATH": str(ROOT),
    "PYTHONDONTWRITEBYTECODE": "",
}
"""Settings of every stack here; ``PYTHONPATH`` lets its parts find the rigged modules."""


@dataclass
class Target(Stack):
    """A stack whose parts can be found and hurt, and whose stores can be asked behind its back."""

    @cached_property
    def settings(self) -> Settings:
        shared = self.environment.get("SHARED_WORKERS", "true") == "true"
        return Settings(aegis_home=self.home, shared_workers=shared)

    @cached_property
    def points(self) -> RemoteVectorStore:
        """The vector engine itself, asked without the API."""
        return RemoteVectorStore(self.settings.vector_socket, timeout=20)

    @cached_property
    def traps(self) -> Traps:
        return Traps(self.home)

    @property
    def workers(self) -> tuple[str, ...]:
        """The parts that serve lanes, of one lane each or of several."""
        return tuple(sorted({f"worker-{group.name}" for group in lane_groups(self.settings)}))

    def part(self, lane: str) -> str:
        """The part that serves a lane."""
        return next(part for part in self.workers if lane in part.removeprefix("worker-").split("+"))

    def pid(self, part: str) -> int | None:
        """The main process of a part that runs now."""
        entry = StackFile(self.home / "stack.json")._read().get("parts", {}).get(part)
        return int(entry["pid"]) if entry and psutil.pid_exists(int(entry["pid"])) else None

    def worker_of(self, pid: int) -> str:
        """The worker whose main process, or pool process, is ``pid``."""
        family = {pid, *(each.pid for each in psutil.Process(pid).parents())}
        return next(worker for worker in self.workers if self.pid(worker) in family)

    def hit(self, part: str, number: int = signal.SIGKILL) -> int:
        """Send a part's main process a signal; its id."""
        until(lambda: self.pid(part) is not None, BACK_SECONDS)
        pid = self.pid(part) or 0
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def until_replaced(self, part: str, pid: int) -> None:
        """Wait until the part runs as another process than ``pid``."""
        until(lambda: self.pid(part) not in (None, pid), BACK_SECONDS)

    def until_whole(self) -> None:
        """Wait until every component is ready."""
        until(self._is_whole, BACK_SECONDS)

    def _is_whole(self) -> bool:
        try:
            ready = httpx.get(f"{self.url}/health/ready", timeout=5)
        except httpx.TransportError:
            return False
        return ready.status_code == httpx.codes.OK

    def lose_messages(self, lane: str) -> int:
        """Remove the bells from a lane's queue, as if the broker had lost them; how many."""
        queues = [_QUEUE.format(lane, priority) for priority in _PRIORITIES]
        with closing(connect(self.settings)) as broker, broker.pipeline() as both:
            for queue in queues:
                both.llen(queue)
            *counts, _ = both.delete(*queues).execute()
        return sum(counts)

    def keep_logs(self, folder: Path) -> None:
        """Copy what the stack printed and its parts' logs to ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.home / "printed.txt", folder)
        shutil.copytree(self.home / "logs", folder / "logs", dirs_exist_ok=True)


def target_in(home: Path, *, rigged: bool = False, **settings: str) -> Target:
    """A stack that is not started yet; ``rigged``: with traps in its parts."""
    plain = stack_in(home, **QUICK, **settings)
    module = "tests.chaos.faults.rigged_stack" if rigged else "cli.main"
    return Target(plain.home, plain.api_port, plain.flower_port, plain.environment, plain.arguments, module)


@contextmanager
def running(*, rigged: bool = False, **settings: str) -> Iterator[Target]:
    """A stack in a home of its own, its library stocked; nothing of it is left afterwards."""
    with TemporaryDirectory(prefix="aegis-chaos-") as home:
        target = target_in(Path(home), rigged=rigged, **settings)
        target.start()
        try:
            stock(target.until_ready().url)
            yield target
        finally:
            target.stop()
            until(lambda: target.processes() == [])
