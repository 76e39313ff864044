"""Checks before a worker takes tasks, against options that lose, repeat or block jobs; its memory limit."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from celery.concurrency.base import BasePool

from rag.backups.startup_check import check_backups, check_blobs
from rag.errors import ConfigurationError
from rag.model import Stage
from rag.redis.health import wait_until_safe
from rag.settings import Settings
from tasks.app import AegisCelery
from tasks.lane_groups import LaneGroup
from tasks.lanes import LANES

_POOL_ALIASES = {"processes": "prefork", "thread": "threads"}
_POOL_WITH_LIMITS = "prefork"
"""The only pool that ends a task whose time is over."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options a worker was started with. ``limits``: time limits of tasks in seconds, by option name."""

    group: LaneGroup
    slots: str
    limits: dict[str, float]

    @classmethod
    def of(cls, worker: Any) -> "Options":
        """Those of a ``WorkController``, which celery-types does not describe."""
        autoscale = worker.options.get("autoscale")
        limits = {"--time-limit": worker.time_limit, "--soft-time-limit": worker.soft_time_limit}
        pool = worker.pool_cls
        pool = pool if isinstance(pool, str) else pool_name(pool)
        queues = tuple(worker.app.amqp.queues.consume_from)
        return cls(
            group=LaneGroup.of(queues, _POOL_ALIASES.get(pool, pool)),
            slots=f"{autoscale[1]} to {autoscale[0]}" if autoscale else str(worker.concurrency),
            limits={option: seconds for option, seconds in limits.items() if seconds},
        )


def pool_name(pool: type[BasePool]) -> str:
    """The name by which ``--pool`` chooses ``pool``."""
    return pool.__module__.rpartition(".")[2]


def require_safe(worker: Any, settings: Settings) -> LaneGroup:
    """Wait for the broker; return what the ``WorkController`` serves when it may take tasks.

    Raises ConfigurationError with a line for each fault, or when the store of blobs or backups
    refuses access; Unavailable when the broker stays away.
    """
    options = Options.of(worker)
    if reasons := (*option_faults(options, settings), *route_faults(worker.app)):
        raise ConfigurationError("\n".join(reasons))
    wait_until_safe(settings)
    check_blobs(settings)
    if Stage.UPLOAD in options.group.stages:
        check_backups(settings)
    return options.group


def option_faults(options: Options, settings: Settings) -> Iterator[str]:
    """One line for each fault in a worker's options, with what to change."""
    group = options.group
    pool = group.lanes[0].pool if len(group.lanes) == 1 else "solo"
    if group.pool not in (pool, "solo"):  # a worker with a solo pool bounds its tasks itself
        yield f"--pool is {group.pool}, and lane {group.name} needs --pool {pool}"
    yield from _limit_faults(options, settings)
    if options.slots != "1":
        yield (
            f"--concurrency is {options.slots}, and a worker with several slots ends for good when it loses "
            "the broker: use --concurrency 1, and more workers"
        )


def _limit_faults(options: Options, settings: Settings) -> Iterator[str]:
    lane, pool = options.group.lanes[0], options.group.pool
    longest = lane.limit(settings)
    if pool != _POOL_WITH_LIMITS:
        for option in options.limits:
            yield (
                f"{option} does nothing on the {pool} pool: leave it out, or use --pool {_POOL_WITH_LIMITS}"
            )
    elif "--time-limit" not in options.limits:
        yield f"without --time-limit a hanging task never ends: --time-limit {longest:g}"
    for option, seconds in options.limits.items():
        # A task about backups may outlast the visibility timeout: its job is still leased when the
        # message is delivered again.
        if longest > settings.visibility_timeout:
            if seconds > longest:
                yield f"{option} is {seconds:g}, over {lane.timeout.upper()}: {longest:g} at most"
        elif seconds >= settings.visibility_timeout:
            yield (
                f"{option} is {seconds:g}, so tasks that still run are delivered again: "
                f"less than VISIBILITY_TIMEOUT, {settings.visibility_timeout:g}"
            )


def bound_memory(megabytes: int) -> None:
    """Make this process' allocations fail beyond ``megabytes``; 0: no limit. Only Linux enforces it.

    It counts private writable pages, as :func:`rag.isolation.limits.confine` does. Only the
    soft limit is set, so that a process that parses can still set its own.
    """
    if megabytes:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = megabytes << 20
        soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def route_faults(app: AegisCelery) -> Iterator[str]:
    """One line for each task without a queue and each queue without a task."""
    ours = {name for name in app.tasks if name.startswith("aegis.")}
    routes: dict[str, dict[str, Any]] = app.conf.task_routes
    lanes = {lane.name for lane in LANES}
    for stage in sorted({stage for lane in LANES for stage in lane.stages} - app.stages.keys()):
        yield f"no function does the work of stage {stage}: import its module in tasks/app.py"
    for name in sorted(name for name in ours if not any(fnmatch(name, route) for route in routes)):
        yield f"task {name} has no route: add one in tasks/app.py"
    for route, to in sorted(routes.items()):
        if not any(fnmatch(name, route) for name in ours):
            yield f"route {route} has no task: remove it from tasks/app.py, or import the task's module there"
        if to["queue"] not in lanes:
            yield f"route {route} leads to {to['queue']}, which no worker serves: name a lane"
