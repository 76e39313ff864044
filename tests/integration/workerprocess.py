"""A real worker of one lane, started as by hand, with traps that hold it in the middle of a stage."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

from rag.redis.connection import connect
from rag.redis.heartbeats import Heartbeats, WorkerSign
from rag.settings import Settings
from tasks.app import lane_named
from tests.system.running import until

_ROOT = Path(__file__).resolve().parents[2]
_RIGGED = "tests.chaos.faults.rigged_worker"
READY_SECONDS = 90.0


@dataclass
class Worker:
    """``environment``: what it and its health check are started with."""

    lane: str
    settings: Settings
    environment: dict[str, str]
    process: "subprocess.Popen[bytes]"

    @property
    def sign(self) -> WorkerSign | None:
        """What it last said of itself; None when that is too long ago."""
        with connect(self.settings) as client:
            signs = Heartbeats(client).read_signs().lane(self.lane)
        return next((sign for sign in signs if sign.pid == self.process.pid), None)

    def hangs(self) -> bool:
        return self.sign is not None and self.sign.hang() is not None

    def checked(self) -> tuple[int, str]:
        """Exit status and line of the container's health check."""
        check = subprocess.run(
            [sys.executable, "-m", "workers.liveness", self.lane],
            env=self.environment, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return check.returncode, check.stdout.strip().removeprefix(f"{self.lane}@{gethostname()} ")


@contextmanager
def working(lane: str, valkey: str, home: Path, **settings: str) -> Iterator[Worker]:
    """A worker of ``lane`` that shows signs of life, until the block ends."""
    environment = {**os.environ, "REDIS_URL": valkey, "AEGIS_HOME": str(home), **settings}
    known = Settings(redis_url=valkey, aegis_home=home)
    words = [_RIGGED if word == "workers.main" else word for word in lane_named(lane).command(known)]
    with (home / f"{lane}.log").open("ab") as log:
        process = subprocess.Popen(
            words, env=environment, cwd=_ROOT, stdout=log, stderr=log, start_new_session=True
        )
    worker = Worker(lane, known, environment, process)
    try:
        until(lambda: worker.sign is not None or process.poll() is not None, READY_SECONDS)
        assert process.poll() is None, (home / f"{lane}.log").read_text()
        yield worker
    finally:
        with_children(process)


def with_children(process: "subprocess.Popen[bytes]") -> None:
    """End it and its pool, stopped or not."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return
    finally:
        process.wait(30)
