"""What a worker may not be started with, since jobs could be lost, doubled or stuck; its memory's bound."""

import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from rag.errors import ConfigurationError
from rag.model import Stage
from rag.settings import Settings
from rag.stores.condition import wait_until_safe
from rag.stores.probing import check_backups, check_blobs
from tasks.app import LANES, AegisCelery, Lane, lane_named

_ALIASES = {"processes": "prefork", "thread": "threads"}
_LIMITED = "prefork"
"""The only pool that ends a task whose time is over."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a worker was started with. ``limits``: of its tasks, in seconds, by the option's name."""

    lane: str
    pool: str
    slots: str
    limits: dict[str, float]

    @classmethod
    def of(cls, worker: Any) -> "Options":
        """Of a ``WorkController``, whose options celery-types does not know."""
        autoscale = worker.options.get("autoscale")
        limits = {"--time-limit": worker.time_limit, "--soft-time-limit": worker.soft_time_limit}
        return cls(
            lane=next(iter(worker.app.amqp.queues.consume_from)),
            pool=_pool_name(worker.pool_cls),
            slots=f"{autoscale[1]} to {autoscale[0]}" if autoscale else str(worker.concurrency),
            limits={option: seconds for option, seconds in limits.items() if seconds},
        )


def require_safe(worker: Any, settings: Settings) -> None:
    """Return when this ``WorkController`` may take tasks, having waited for the broker.

    Raises ConfigurationError with a line for each reason against it, or for a store of blobs or
    backups that refuses us; Unavailable when the broker stays away.
    """
    check_queues(tuple(worker.app.amqp.queues.consume_from))
    options = Options.of(worker)
    if reasons := (*option_faults(options, settings), *route_faults(worker.app)):
        raise ConfigurationError("\n".join(reasons))
    wait_until_safe(settings)
    check_blobs(settings)
    if Stage.UPLOAD in lane_named(options.lane).stages:
        check_backups(settings)


def option_faults(options: Options, settings: Settings) -> Iterator[str]:
    """What is wrong with a worker's options, a line each with what to change."""
    yield from _pool_faults(options, lane_named(options.lane))
    yield from _limit_faults(options, settings)
    if options.slots != "1":
        yield (
            f"--concurrency is {options.slots}, and a worker with several slots ends for good when it loses "
            "the broker: --concurrency 1, and more workers"
        )


def _pool_faults(options: Options, lane: Lane) -> Iterator[str]:
    if options.pool != lane.pool:
        yield f"--pool is {options.pool}, and lane {lane.name} needs --pool {lane.pool}"


def _limit_faults(options: Options, settings: Settings) -> Iterator[str]:
    if options.pool != _LIMITED:
        for option in options.limits:
            yield f"{option} does nothing on the {options.pool} pool: leave it out, or use --pool {_LIMITED}"
    elif "--time-limit" not in options.limits:
        limit = lane_named(options.lane).limit(settings)
        yield f"without --time-limit a hanging task never ends: --time-limit {limit:g}"
    for option, seconds in options.limits.items():
        yield from _long_faults(option, seconds, lane_named(options.lane), settings)


def _long_faults(option: str, seconds: float, lane: Lane, settings: Settings) -> Iterator[str]:
    """A task about backups may run for longer: what is delivered again meanwhile finds its job held."""
    if lane.limit(settings) > settings.visibility_timeout:
        if seconds > lane.limit(settings):
            yield f"{option} is {seconds:g}, over {lane.timeout.upper()}: {lane.limit(settings):g} at most"
    elif seconds >= settings.visibility_timeout:
        yield (
            f"{option} is {seconds:g}, so tasks that still run are delivered again: "
            f"less than VISIBILITY_TIMEOUT, {settings.visibility_timeout:g}"
        )


def check_queues(queues: Sequence[str]) -> str:
    """The one lane that ``--queues`` names; ConfigurationError unless it is one."""
    names = [lane.name for lane in LANES]
    if len(queues) != 1 or queues[0] not in names:
        raise ConfigurationError(f"a worker serves exactly one lane: --queues with one of {', '.join(names)}")
    return queues[0]


def bound_memory(megabytes: int) -> None:
    """Have this process' allocations fail beyond ``megabytes``; 0: no bound. Linux alone enforces it.

    It counts private writable pages, as :func:`rag.isolation.limits.confine` does. Only the
    soft limit is set, so a process that parses is bound by its own.
    """
    if megabytes:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = megabytes << 20
        bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))


def route_faults(app: AegisCelery) -> Iterator[str]:
    """Tasks without a queue and queues without a task, a line each."""
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


def _pool_name(pool: str | type) -> str:
    name = pool if isinstance(pool, str) else pool.__module__.rpartition(".")[2]
    return _ALIASES.get(name, name)
