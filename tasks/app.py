"""The Celery application: lanes, routes, delivery rules. The only Celery declaration there is.

A lane is a queue with a worker pool of its own. This registry is the only list of lanes:
worker commands, routes, health and metrics are made from it. Interactive work has lanes
of its own at every stage, so that a question never waits behind bulk ingestion. Stages of
one lane that follow each other do so without the queue in between.

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

from rag.model import Job, Stage
from rag.settings import Settings, load
from tasks.broker import broker_settings, sending
from tasks.signing import sign_with

if TYPE_CHECKING:
    from tasks.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class Lane:
    """A queue and its worker pool.

    ``company``: whether a delivery may go on with other jobs that wait here than the one it names.
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
    company: bool = False
    timeout: Literal["stage_timeout", "backup_stage_timeout"] = "stage_timeout"

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
    Lane("parse", (Stage.PARSE,), "reads documents and cuts them into chunks", nice=10, company=True),
    Lane("fetch", (Stage.FETCH,), "fetches documents that are given by url", nice=10, company=True),
    Lane(
        "embed", (Stage.EMBED, Stage.REEMBED, Stage.COMPARE), "embeds chunks in bulk", nice=15, company=True
    ),
    Lane("embed-query", (Stage.EMBED_QUERY,), "embeds questions", pool="solo", company=True),
    Lane("index", (Stage.INDEX,), "writes points, publishes versions", nice=5, company=True),
    Lane(
        "rerank",
        (Stage.SEARCH, Stage.RERANK),
        "finds passages, orders them by relevance",
        pool="solo",
        company=True,
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
_AHEAD, _JOBS, _HINTS = 0, 3, 6
"""Priorities; 0 is the highest."""

_ENOUGH = 2
"""Hints in a lane's queue; one that is lost leaves another."""

_LANE_OF = {stage: lane for lane in LANES for stage in lane.stages}


def lane_of(stage: Stage) -> Lane:
    return _LANE_OF[stage]


def lane_named(name: str) -> Lane:
    return next(lane for lane in LANES if lane.name == name)


def task_name(stage: Stage) -> str:
    return f"aegis.{stage}"


class AegisCelery(Celery):
    """Celery with the tools that tasks work with; a worker puts them there before it takes any."""

    task_cls = "tasks.signing:SignedTask"
    toolbox: "Toolbox"
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
            **{task_name(stage): {"queue": lane.name, "priority": _JOBS} for stage, lane in _LANE_OF.items()},
            # not among the jobs: what the sweep finds there would count as messages of theirs
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
app.add_defaults(_configuration)


PUBLISH_ERRORS = (OperationalError, RedisError, OSError)
"""What :func:`publish` raises when the broker is away."""


def _task_id(job: Job) -> str:
    return f"{job.id}.{job.stage}.{job.attempts}"


def attempts_at(task_id: str | None) -> int | None:
    """How often the job had been begun at the stage when the message of this task was sent."""
    return int(task_id.rpartition(".")[2]) if task_id else None


def publish(job: Job, *, delay: float = 0.0) -> None:
    """Send a queued job to the lane of its stage; ``delay`` in seconds.

    The task id names job, stage and attempt, so that the same step is the same task in
    logs and in Flower however often it is sent. Raises PUBLISH_ERRORS.
    """
    with sending():
        app.send_task(
            task_name(job.stage),
            args=[job.id],
            task_id=_task_id(job),
            queue=lane_of(job.stage).name,
            countdown=delay or None,
        )


def announce(job: Job) -> None:
    """Have a queued job taken that nobody began yet; as :func:`publish`, but for lanes with company.

    There a message is a hint that jobs wait at the first stage: whoever gets one takes those that
    it has time for, and sends a hint for the first that is left (:mod:`tasks.taking`). So none is sent
    where enough are in the queue. They have a priority of their own, since delayed messages of
    single jobs are no hints. Raises PUBLISH_ERRORS.
    """
    lane = lane_of(job.stage)
    if not lane.company or job.stage is not lane.stages[0]:
        publish(job)
        return
    with sending(), app.producer_or_acquire() as producer:
        if hints(producer.channel, lane) < _ENOUGH:
            app.send_task(
                task_name(job.stage),
                args=[job.id],
                task_id=_task_id(job),
                queue=lane.name,
                priority=_HINTS,
                producer=producer,
            )


def hints(channel: Any, lane: Lane) -> int:
    """Hints in the lane's queue. ``channel``: an open one of kombu, which keeps a list for each priority."""
    return int(channel.client.llen(f"{lane.name}{channel.sep}{_HINTS}"))


def jittered(seconds: float) -> float:
    """Between half of ``seconds`` and all of it, so that what failed together does not return together."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 - no secret hangs on it
