"""The Celery application: routes, delivery rules, the broker. The only Celery declaration there is.

A message tells a lane that work is due and names no job (:mod:`tasks.publishing.bells`). The lanes are in
:mod:`tasks.lanes`.

There is no result backend: the job record is the result. The figures behind the transport
options are in ``docs/decisions/0002-delivery.md``.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from celery import Celery
from kombu import Queue, pools
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from rag.model import Stage
from rag.redis.connection import PREFIX
from rag.redis.pools import sentinel_options, timeouts
from rag.settings import Settings, load
from rag.settings.redis_url import RedisAddress
from tasks.broker.signing import sign_with
from tasks.lanes import LANES

if TYPE_CHECKING:
    from tasks.toolbox import Toolbox


@dataclass(frozen=True, slots=True)
class StageWork:
    """The work of a stage. ``together``: whether several jobs are worked at the same time."""

    work: Callable[..., Any]
    together: bool


CANARY = "aegis.canary"
_HIGHEST_PRIORITY = 0  # ahead of every bell
ANSWER_SECONDS = 3.0
"""How long the broker may take to answer a command."""

PUBLISH_ERRORS = (OperationalError, RedisError, OSError)
"""What sending a message raises when the broker is away."""


class AegisCelery(Celery):
    """Celery, with the tools that tasks work with. A worker sets them before it takes a task."""

    task_cls = "tasks.broker.signing:SignedTask"
    toolbox: "Toolbox"
    stages: "dict[Stage, StageWork]"
    _pool: Any

    def import_tasks(self) -> None:
        """Define every task in this process."""
        for name in TASK_MODULES:
            import_module(name)

    def renew_pools(self) -> None:
        """Send the next message over new connections. Messages on their way still use the old ones.

        Celery's attributes are replaced, never emptied: another thread may be about to read them.
        """
        _ = self.pool  # makes Celery set the pool's limit and register its hook for forks
        pools.producers.clear()
        pools.connections.clear()
        connection, amqp = self.connection_for_write(), cast(Any, self.amqp)
        self._pool = pools.connections[connection]
        amqp._producer_pool = pools.producers[connection]  # noqa: SLF001 - Celery has no public way


def broker_settings(settings: Settings) -> dict[str, Any]:
    """Celery's ``broker_*`` options for REDIS_URL, in any of its forms."""
    address = settings.redis_address
    sentinels: dict[str, Any] = {}
    if address.master is not None:
        sentinels = {
            "master_name": address.master,
            "sentinel_kwargs": sentinel_options(address, ANSWER_SECONDS),
        }
    return {
        "broker_url": broker_url(address),
        "broker_use_ssl": dict(address.tls) if address.tls is not None else None,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,  # a broker whose disk is full refuses writes for a while
        "broker_pool_limit": settings.connection_pool_size,
        "broker_pool_acquire_timeout": 2 * ANSWER_SECONDS,  # without it, Celery waits for ever
        "broker_transport_options": {
            "visibility_timeout": settings.visibility_timeout,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            **timeouts(ANSWER_SECONDS),
            "health_check_interval": 10,
            "max_connections": settings.connection_pool_size,
            "global_keyprefix": f"{PREFIX}queue:",
            **sentinels,
        },
    }


def broker_url(address: RedisAddress) -> str:
    """The address as kombu spells it. Each Sentinel's part is complete: kombu may ask any of them first."""
    login, (name, password) = "", (address.login.username, address.login.password)
    if name or password:
        login = f"{quote(name or '', safe='')}:{quote(password or '', safe='')}@"
    if address.socket is not None:
        database = f"?virtual_host={address.database}" if address.database else ""
        return f"redis+socket://{login}{quote(address.socket)}{database}"
    scheme = "sentinel" if address.master else "rediss" if address.tls is not None else "redis"
    return ";".join(
        f"{scheme}://{login}{f'[{host}]' if ':' in host else host}:{port}/{address.database}"
        for host, port in address.nodes
    )


@contextmanager
def sending() -> Iterator[None]:
    """Raise OperationalError where kombu raises AttributeError, because the channel was closed meanwhile.

    The connection of a closed channel is None, and a Redis channel asks it for its ``client``.
    """
    try:
        yield
    except AttributeError as error:
        if error.obj is not None or error.name != "client":
            raise
        raise OperationalError("the channel to the broker was closed") from error


def _configuration() -> dict[str, Any]:
    settings = load()
    unsigned = {"task_serializer": "json", "accept_content": ["json"]}
    return {
        **broker_settings(settings),
        "task_queues": [Queue(lane.name) for lane in LANES],
        "task_default_queue": "maintenance",
        "task_create_missing_queues": False,
        "task_routes": {
            **{lane.task: {"queue": lane.name} for lane in LANES},
            "aegis.maintenance.*": {"queue": "maintenance", "priority": _HIGHEST_PRIORITY},
            CANARY: {
                "queue": "maintenance",
                "priority": _HIGHEST_PRIORITY,
            },  # or as its sender says
        },
        **(sign_with(keys) if (keys := settings.message_keys) else unsigned),
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


TASK_MODULES = (
    "tasks.ingest.ingest",
    "tasks.answer.answer",
    "tasks.upkeep.maintenance",
    "tasks.reindex.reindex",
    "tasks.backups.backup",
    "tasks.backups.prune",
    "tasks.backups.restore",
    "tasks.upkeep.layouts",
    "tasks.upkeep.rebuild",
    "tasks.backups.scheduled",
    "tasks.publishing.bells",
)
"""Where tasks are defined. Only workers load them: beat, the API and Flower know tasks by their names."""

app = AegisCelery("aegis")
app.stages = {}
app.add_defaults(_configuration)


def jittered(seconds: float) -> float:
    """A random time from half of ``seconds`` to all of it, so that jobs that failed together spread out."""
    return random.uniform(seconds / 2, seconds)  # noqa: S311 - no secret depends on it
