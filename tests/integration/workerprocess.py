"""A real worker, started as by hand, with traps that hold it in the middle of a stage."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rag.redis.connection import connect
from rag.redis.heartbeats import Heartbeats, WorkerSign
from rag.settings import Settings
from tasks.lane_groups import LaneGroup, alone
from tasks.lanes import lane_named
from tests.system.running import until

_ROOT = Path(__file__).resolve().parents[2]
_RIGGED = "tests.chaos.faults.rigged_worker"
READY_SECONDS = 90.0


@dataclass
class Worker:
    """``alive``: the file that its health check looks at."""

    lane: str
    settings: Settings
    alive: Path
    process: "subprocess.Popen[bytes]"

    @property
    def sign(self) -> WorkerSign | None:
        """What it last said of itself; None when that is too long ago."""
        with connect(self.settings) as client:
            signs = Heartbeats(client).read_signs().lane(self.lane)
        return next((sign for sign in signs if sign.pid == self.process.pid), None)

    def hangs(self) -> bool:
        return self.sign is not None and self.sign.hang() is not None

    def is_healthy(self) -> bool:
        """What the health check of its container would say, with a shorter patience."""
        check = subprocess.run(
            [_ROOT / "deploy/docker/healthy", f"worker-{self.lane}"],
            env={**os.environ, "LIVENESS_FILE": str(self.alive), "LIVENESS_SECONDS": "6"},
            check=False,
            timeout=60,
        )
        return check.returncode == 0


@contextmanager
def working(
    lane: str, valkey: str, home: Path, *, sharing: tuple[str, ...] = (), **settings: str
) -> Iterator[Worker]:
    """A worker of ``lane`` that shows signs of life, until the block ends.

    ``sharing``: the lanes of a worker of several, of which ``lane`` is one.
    """
    alive = home / "alive"
    places = {"REDIS_URL": valkey, "AEGIS_HOME": str(home), "LIVENESS_FILE": str(alive)}
    environment = {**os.environ, **places, **settings}
    known = Settings(redis_url=valkey, aegis_home=home)
    group = LaneGroup.of(sharing, "solo") if sharing else alone(lane_named(lane))
    words = [_RIGGED if word == "workers.main" else word for word in group.command(known)]
    with (home / f"{lane}.log").open("ab") as log:
        process = subprocess.Popen(
            words, env=environment, cwd=_ROOT, stdout=log, stderr=log, start_new_session=True
        )
    worker = Worker(lane, known, alive, process)
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
