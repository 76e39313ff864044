"""The lanes: queues with workers of their own. This registry is the only list of them.

Worker commands, routes, health and metrics are made from it. Interactive work has lanes of its own at every
stage, so that a question never waits behind bulk ingestion. Nothing here loads Celery: the supervisor of
``aegis up`` needs the lanes, and not Celery's 20 MB.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rag.model import Stage
from rag.settings import Settings


@dataclass(frozen=True, slots=True)
class Lane:
    """A queue and its worker pool.

    ``batches``: whether a delivery works several jobs at a time, and goes on with more for a short while.
    ``nice`` keeps bulk work out of the way of interactive work on a shared machine.
    ``pool``: prefork enforces time limits and survives a crashing task. solo runs the task in the
    worker itself: that halves the processes, saves milliseconds a step, and suits short stages that
    run no foreign code.
    ``timeout``: the setting that bounds a task of a prefork pool. INTERACTIVE_TIMEOUT bounds that of a solo
    one.
    """

    name: str
    stages: tuple[Stage, ...]
    purpose: str
    nice: int = 0
    pool: Literal["prefork", "solo"] = "prefork"
    batches: bool = False
    timeout: Literal["stage_timeout", "backup_stage_timeout"] = "stage_timeout"

    @property
    def task(self) -> str:
        """The name of the Celery task that works this lane's jobs."""
        return f"aegis.{self.name.replace('-', '_')}"

    def limit(self, settings: Settings) -> float:
        """Seconds that one task may run in this lane. Only a prefork pool enforces it."""
        return getattr(settings, self.timeout) if self.pool == "prefork" else settings.interactive_timeout

    def command(self, settings: Settings) -> list[str]:
        """The argv of a worker of this lane alone.

        Only a prefork pool gets time limits: the soft one lets the stage report what happened,
        the hard one ends work that ignores the soft one.
        """
        limits: list[str] = []
        if self.pool == "prefork":
            hard = self.limit(settings)
            limits = ["--time-limit", str(int(hard)), "--soft-time-limit", str(soft_limit(hard))]
        return worker_command((self,), settings, "--pool", self.pool, *limits)


def soft_limit(hard: float) -> int:
    """Seconds after which a task is asked to end, of one that is ended after ``hard`` seconds."""
    return max(1, int(hard) * 19 // 20)


def worker_command(lanes: Sequence[Lane], settings: Settings, *options: str) -> list[str]:
    """The argv of a worker of ``lanes``.

    It has one slot, because a pool with a busy and a free slot does not survive a lost broker connection.
    """
    names = [lane.name for lane in lanes]
    return [
        sys.executable, "-m", "celery", "--quiet", "-A", "workers.main", "worker",
        "--queues", ",".join(names), "--hostname", f"{'+'.join(names)}@%h",
        "--concurrency", "1", *options,
        "--task-events", "--without-gossip", "--without-mingle",
        "--loglevel", settings.log_level,
    ]  # fmt: skip


LANES: tuple[Lane, ...] = (
    Lane("parse", (Stage.PARSE,), "reads documents and cuts them into chunks", nice=10, batches=True),
    Lane("ocr", (Stage.RECOGNISE,), "recognises the text of scans and pictures", nice=19),
    Lane("fetch", (Stage.FETCH,), "fetches documents that are given by url", nice=10, batches=True),
    Lane(
        "embed", (Stage.EMBED, Stage.REEMBED, Stage.COMPARE), "embeds chunks in bulk", nice=15, batches=True
    ),
    Lane("embed-query", (Stage.EMBED_QUERY,), "embeds questions", pool="solo", batches=True),
    Lane("index", (Stage.INDEX,), "writes points, publishes versions", nice=5, batches=True),
    Lane(
        "rerank",
        (Stage.SEARCH, Stage.RERANK),
        "finds passages, orders them by relevance",
        pool="solo",
        batches=True,
    ),
    Lane("generate", (Stage.GENERATE,), "writes the answer"),
    Lane("maintenance", (Stage.PURGE,), "removes what was deleted, sweeps, prunes", nice=10),
    Lane(
        "backup",
        (
            Stage.SNAPSHOT,
            Stage.UPLOAD,
            Stage.SEAL,
            Stage.VERIFY,
            Stage.LOAD,
            Stage.CHECK,
            Stage.SWITCH,
            Stage.REPLAY,
            Stage.PRUNE,
        ),
        "makes backups, verifies, rehearses and restores them",
        nice=15,
        timeout="backup_stage_timeout",
    ),
)

_LANE_OF = {stage: lane for lane in LANES for stage in lane.stages}


def lane_of(stage: Stage) -> Lane:
    return _LANE_OF[stage]


def lane_named(name: str) -> Lane:
    return next(lane for lane in LANES if lane.name == name)
