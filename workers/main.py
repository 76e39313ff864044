"""Where a Celery worker starts: ``celery -A workers.main worker --queues LANE``, or LANE,LANE.

The lanes' models load in the parent, before the pool forks. So a model that cannot load
ends the worker at boot with one line, and replacing a crashed pool child loads nothing again.
"""

import atexit
import logging
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread, Timer
from time import sleep
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.apps import worker as celery_worker
from celery.exceptions import SecurityWarning
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from rag.errors import Transient
from rag.model import Stage
from rag.redis.connection import connect
from rag.redis.heartbeats import VECTORS, Heartbeats
from rag.redis.server_health import ServerHealth
from rag.settings import Settings, load
from rag.startup import log_as, shield, starting
from rag.system.log_records import log_printable_lines
from rag.telemetry import tracing
from tasks.app import TASK_MODULES, app
from tasks.lane_groups import LaneGroup
from tasks.publishing import publishing
from tasks.publishing.bells import hush
from tasks.upkeep.rebuild import Overseer
from workers.follow_ups import follow_ups_of
from workers.heartbeat import EngineCertificate, Heartbeat, Intake, queue_of
from workers.startup import bound_memory, pool_name, require_safe
from workers.time_limits import TimeLimits
from workers.tools import Tools
from workers.warm_up import warm

if TYPE_CHECKING:  # loads prometheus-client, which only a worker with METRICS_PORT needs
    from rag.telemetry.call_metrics import CallMetrics

BEAT_SECONDS = 2.0
INTERRUPT = signal.SIGUSR2
"""Asks a pool process to give its stage back, once a shutting-down worker's time to drain is over."""

log = logging.getLogger(__name__)

__all__ = ["app"]

with starting("worker"):
    load()
app.conf.include = TASK_MODULES
log_printable_lines()


@signals.celeryd_init.connect
def require_lane(options: dict[str, Any], **_: Any) -> None:
    """Exit with a one-line reason when ``--queues`` names no lanes; Celery would show a traceback."""
    with _or_leave():
        settings = load()
        shield(settings)
        group = LaneGroup.of(options.get("queues") or (), "solo")  # its pool is checked later
    # whether the worker runs as root is the operator's choice
    warnings.filterwarnings("ignore", category=SecurityWarning)

    def set_up(loglevel: int | None = None, **_: Any) -> None:
        lane = group.name if len(group.lanes) == 1 else None  # of several, a delivery's lines name the lane
        log_as(f"worker-{group.name}", settings, loglevel, lane=lane, trace_id=tracing.current_trace_id)
        # Celery warns of one of its own settings each time the broker is lost; operators cannot act on it.
        logging.getLogger("py.warnings").addFilter(
            lambda record: "CPendingDeprecationWarning" not in record.getMessage()
        )

    set_on_retry_hooks([log_retry])
    celery_worker.safe_say = say  # type: ignore[attr-defined]  # celery-types lacks it
    # Celery sets up logging only after `prepare`, whose lines should already look right.
    set_up(options.get("loglevel"))
    signals.setup_logging.connect(set_up, weak=False)


def say(message: str, _stream: object = None) -> None:
    """Log what Celery would write around its log, such as that a shutdown begins."""
    log.info("%s", message)


def log_retry(details: RetryDetails) -> None:
    """Log a retry: the first one as a warning, later ones at debug level."""
    level = logging.WARNING if details.retry_num == 1 else logging.DEBUG
    log.log(level, "tried again in %.1f s: %s", details.wait_for, details.caused_by)


@signals.worker_init.connect
def prepare(sender: Any, **_: Any) -> None:
    """Check the options, build the tools and load the lanes' models. Exit with the reason on failure."""
    with _or_leave():
        settings = load()
        publishing.prepare(settings)
        group = require_safe(sender, settings)
        calls = measure_calls(settings, group) if settings.metrics_port else None
        tools = Tools(settings, calls, follow_ups_of(group.lanes, settings))
        app.toolbox = tools
        hush()
        warm(tools, group)
        if group.pool == "solo":  # the solo pool runs tasks in this process
            bound_memory(settings.worker_memory_mb)


@signals.worker_process_init.connect
def confine(**_: Any) -> None:
    """Prepare this pool process: bound its memory, make it interruptible, start tracing."""
    settings = app.toolbox.settings
    publishing.prepare(settings)
    bound_memory(settings.worker_memory_mb)
    signal.signal(INTERRUPT, app.toolbox.drain.ask)
    end_spans = tracing.start(settings, f"aegis-{'+'.join(app.amqp.queues.consume_from)}")
    # A prefork child ends without running atexit's functions, and a solo pool without the signal.
    atexit.register(end_spans)
    signals.worker_process_shutdown.connect(lambda **_: end_spans(), weak=False)


def measure_calls(settings: Settings, group: LaneGroup) -> "CallMetrics":
    """Measure the calls of this worker, and serve the figures at METRICS_PORT once it is ready."""
    from workers.metrics import WorkerMetrics  # noqa: PLC0415
    from workers.metrics_page import serve  # noqa: PLC0415
    from workers.server_states import ServerStates, guards_of  # noqa: PLC0415

    health = ServerHealth(connect(settings))
    metrics = WorkerMetrics(prefork=group.pool == "prefork", note_server=health.note)
    states = ServerStates(guards_of(settings, group))
    port = settings.metrics_port or 0

    def serve_page(**_: Any) -> None:
        serve(settings.listen_host, port, lambda as_openmetrics: metrics.page([states], as_openmetrics))

    signals.worker_process_init.connect(lambda **_: metrics.renew(), weak=False)
    signals.worker_ready.connect(serve_page, weak=False)
    return metrics.calls


@contextmanager
def _or_leave() -> Iterator[None]:
    """Exit when the block fails. Celery itself would log an error in a signal handler and go on."""
    try:
        with starting("worker"):
            yield
    except Exception as error:
        log.exception("worker cannot start")
        raise SystemExit(os.EX_SOFTWARE) from error


@signals.worker_ready.connect
def send_heartbeats(sender: Any, **_: Any) -> None:
    """Report every few seconds what this worker does, until it ends; arrange for its shutdown."""
    queues, settings = tuple(app.amqp.queues.consume_from), app.toolbox.settings
    group = LaneGroup.of(queues, pool_name(type(sender.pool)))
    signals.worker_shutting_down.connect(
        lambda **_: _interrupt_later(sender.pool, settings.drain_seconds), weak=False
    )
    heartbeats = Heartbeats(connect(settings))

    certificate = EngineCertificate(settings)

    def see_vectors() -> None:
        app.toolbox.vectors.ping()
        heartbeats.beat(VECTORS, {"seen_by": group.name, **certificate.info()})

    intake = follow_tasks(group, settings)
    _repeat(Heartbeat(intake, sender.hostname, app.toolbox.worker, settings, heartbeats).beat)
    if Stage.SEARCH in group.stages:  # the lane that searches reports whether the vector engine answers
        _repeat(see_vectors)
    if Stage.PURGE in group.stages:  # the lane of the task that restores records
        _repeat(Overseer(app.toolbox.restoration.recovery).look)


def follow_tasks(group: LaneGroup, settings: Settings) -> Intake:
    """Count the tasks that a solo pool begins, and bound those that a prefork pool would bound."""
    intake = Intake(group)
    if group.pool != "solo":
        return intake
    bounded = (lane for lane in group.lanes if lane.pool == "prefork")
    limits = TimeLimits({lane.name: lane.limit(settings) for lane in bounded})

    def begin(task: Any, **_: Any) -> None:
        intake.note(queue_of(task.request))
        limits.begin(queue_of(task.request), task.request.id)

    signals.task_prerun.connect(begin, weak=False)
    signals.task_postrun.connect(lambda **_: limits.end(), weak=False)
    return intake


def _interrupt_later(pool: Any, seconds: float) -> None:
    """Give the processes of ``pool`` (a ``celery.concurrency.BasePool``) so long to finish their task."""

    def interrupt() -> None:
        for pid in pool.info["processes"]:
            os.kill(pid, INTERRUPT)

    timer = Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()


def _repeat(act: Callable[[], None]) -> None:
    """Call ``act`` every BEAT_SECONDS, in a thread of its own since a call may block on what is away."""

    def run() -> None:
        logged = False
        while True:
            try:
                act()
                logged = False
            except Transient as error:
                log.log(logging.DEBUG if logged else logging.WARNING, "no heartbeat: %s", error)
                logged = True
            sleep(BEAT_SECONDS)

    Thread(target=run, name="heartbeat", daemon=True).start()
