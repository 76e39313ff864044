"""The Celery application: lanes, routes, delivery rules. The only Celery declaration there is.

A lane is a queue with a worker pool of its own. This registry is the only list of lanes:
worker commands, routes, health and metrics are made from it. Interactive work has lanes
of its own at every stage, so that a question never waits behind bulk ingestion. A message tells
a lane of due work and names no job (:mod:`tasks.bells`).

No result backend: the job record is the result. The figures behind the transport
options are in ``docs/decisions/0002-delivery.md``.
"""

import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from celery import Celery
from kombu import Queue, pools
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from rag.model import Stage
from rag.settings import Settings, load
from tasks.broker import broker_settings
from tasks.signing import sign_with

if TYPE_CHECKING:
    from tasks.run import StageWork
    from tasks.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Lane:
    """A queue and its worker pool.

    ``batches``: whether a delivery works several jobs, and goes on with further ones for a short while.
    ``nice`` keeps bulk work out of the way of interactive work on a shared machine.
    ``pool``: prefork enforces time limits and survives a crashing task; solo runs the task
    in the worker itself, which halves processes and takes milliseconds off each step, and
    suits stages that are short and run no foreign code.
    ``timeout``: the setting that bounds one task of a prefork pool; INTERACTIVE_TIMEOUT does of a solo one.
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
        """Seconds that one task may run here. Only a prefork pool ends it then."""
        return getattr(settings, self.timeout) if self.pool == "prefork" else settings.interactive_timeout

    def command(self, settings: Settings) -> list[str]:
        """The argv of this lane's worker.

        One slot, because a lost broker connection ends a pool with a busy and a free slot
        for good. Time limits only where the pool heeds them: the soft one lets the stage say
        what became of it, the hard one is for work that does not heed that.
        """
        limit = self._limits(int(self.limit(settings))) if self.pool == "prefork" else []
        return [
            sys.executable, "-m", "celery", "--quiet", "-A", "workers.main", "worker",
            "--queues", self.name, "--hostname", f"{self.name}@%h",
            "--pool", self.pool, "--concurrency", "1", *limit,
            "--task-events", "--without-gossip", "--without-mingle",
            "--loglevel", settings.log_level,
        ]  # fmt: skip

    @staticmethod
    def _limits(seconds: int) -> list[str]:
        return ["--time-limit", str(seconds), "--soft-time-limit", str(max(1, seconds * 19 // 20))]


LANES: tuple[Lane, ...] = (
    Lane("parse", (Stage.PARSE,), "reads documents and cuts them into chunks", nice=10, batches=True),
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

CANARY = "aegis.canary"
_AHEAD = 0
"""The highest priority, ahead of all bells (:mod:`tasks.bells`)."""

_LANE_OF = {stage: lane for lane in LANES for stage in lane.stages}


def lane_of(stage: Stage) -> Lane:
    return _LANE_OF[stage]


def lane_named(name: str) -> Lane:
    return next(lane for lane in LANES if lane.name == name)


class AegisCelery(Celery):
    """Celery with the tools that tasks work with; a worker puts them there before it takes any."""

    task_cls = "tasks.signing:SignedTask"
    toolbox: "Toolbox"
    stages: "dict[Stage, StageWork]"
    _pool: Any

    def renew_pools(self) -> None:
        """Have the next message sent over new connections; what is on its way ends over the old ones.

        Celery's attributes are replaced, never emptied: other threads may be about to read them.
        """
        _ = self.pool  # has Celery set its limit, and what it does after a fork
        pools.producers.clear()
        pools.connections.clear()
        connection, amqp = self.connection_for_write(), cast(Any, self.amqp)
        self._pool = pools.connections[connection]
        amqp._producer_pool = pools.producers[connection]  # noqa: SLF001 - Celery has no other door


_JSON = {"task_serializer": "json", "accept_content": ["json"]}


def _configuration() -> dict[str, Any]:
    settings = load()
    return {
        **broker_settings(settings),
        "task_queues": [Queue(lane.name) for lane in LANES],
        "task_default_queue": "maintenance",
        "task_create_missing_queues": False,
        "task_routes": {
            **{lane.task: {"queue": lane.name} for lane in LANES},
            "aegis.maintenance.*": {"queue": "maintenance", "priority": _AHEAD},
            CANARY: {"queue": "maintenance", "priority": _AHEAD},  # but whoever sends one names its lane
        },
        **(sign_with(keys) if (keys := settings.message_keys) else _JSON),
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1},
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": True,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "enable_utc": True,
        "timezone": "UTC",
    }


app = AegisCelery(
    "aegis",
    include=[
        "tasks.ingest",
        "tasks.answer",
        "tasks.maintenance",
        "tasks.reindex",
        "tasks.backup",
        "tasks.prune",
        "tasks.restore",
        "tasks.upkeep",
        "tasks.records",
        "tasks.scheduled",
        "tasks.room",
        "tasks.canary",
    ],
)
app.stages = {}
app.add_defaults(_configuration)


PUBLISH_ERRORS = (OperationalError, RedisError, OSError)
"""What sending a message raises when the broker is away."""


def jittered(seconds: float) -> float:
    """Between half of ``seconds`` and all of it, so that what failed together does not return together."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 - no secret hangs on it
