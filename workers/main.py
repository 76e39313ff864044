"""Where a Celery worker starts: ``celery -A workers.main worker --queues LANE``.

The lane's models load in the parent, before the pool forks: a model that cannot load
ends the worker at boot with one line, and a pool child that crashed is replaced without
loading anything again.
"""

import atexit
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import Any

from celery import signals
from celery.exceptions import SecurityWarning
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from rag import tracing
from rag.errors import Transient
from rag.model import Stage
from rag.printable import log_printable_lines
from rag.settings import load
from rag.starting import log_as, shield, starting
from rag.stores.heartbeats import VECTORS, Heartbeats
from rag.stores.redis import connect
from tasks import publishing
from tasks.app import AegisCelery, Lane, app, lane_named
from tasks.canary import hush
from tasks.records import Overseer
from workers.draining import drain_at_the_end, heed
from workers.pulse import Pulse
from workers.startup import bound_memory, check_queues, require_safe
from workers.tools import Tools, warm

BEAT_SECONDS = 2.0

log = logging.getLogger(__name__)

__all__ = ["app"]

with starting("worker"):
    load()
log_printable_lines()


@signals.celeryd_init.connect
def require_lane(options: dict[str, Any], **_: Any) -> None:
    """Leave with the reason where ``--queues`` names no lane, before Celery does with a traceback."""
    with _or_leave():
        settings = load()
        shield(settings)
        lane = check_queues(options.get("queues") or ())
    warnings.filterwarnings(
        "ignore", category=SecurityWarning
    )  # that it runs as root is the operator's choice

    def set_up(loglevel: int | None = None, **_: Any) -> None:
        log_as(f"worker-{lane}", settings, loglevel)
        logging.getLogger("py.warnings").addFilter(_is_for_operators)

    set_on_retry_hooks([tell_retry])
    set_up(options.get("loglevel"))  # Celery sets it up only after what a worker prepares
    signals.setup_logging.connect(set_up, weak=False)


def tell_retry(details: RetryDetails) -> None:
    """Of what is tried many times, the first time alone is a warning."""
    level = logging.WARNING if details.retry_num == 1 else logging.DEBUG
    log.log(level, "tried again in %.1f s: %s", details.wait_for, details.caused_by)


def _is_for_operators(record: logging.LogRecord) -> bool:
    """Celery tells of a setting of its own at every loss of the broker."""
    return "CPendingDeprecationWarning" not in record.getMessage()


@signals.worker_init.connect
def prepare(sender: Any, **_: Any) -> None:
    """Check the options, build the tools, load the lane's models, or leave with the reason."""
    with _or_leave():
        settings = load()
        publishing.prepare(settings)
        require_safe(sender, settings)
        tools = Tools(settings)
        app.toolbox = tools
        hush()
        lane = _lane(sender.app)
        warm(tools, lane)
        if lane.pool == "solo":  # which works in this very process
            bound_memory(settings.worker_memory_mb)


@signals.worker_process_init.connect
def confine(**_: Any) -> None:
    """Keep a task of this pool process from taking the machine's memory, and from outliving its worker."""
    settings = app.toolbox.settings
    publishing.prepare(settings)
    bound_memory(settings.worker_memory_mb)
    heed(app.toolbox.drain)
    lane = _lane(app)
    end_spans = tracing.start(settings, f"aegis-{lane.name}")
    if lane.pool == "solo":
        atexit.register(end_spans)
    else:  # such a process leaves without what is registered there
        signals.worker_process_shutdown.connect(lambda **_: end_spans(), weak=False)


@contextmanager
def _or_leave() -> Iterator[None]:
    """Celery would make a line in the log of an error, and go on."""
    try:
        with starting("worker"):
            yield
    except Exception as error:
        log.exception("worker cannot start")
        raise SystemExit(os.EX_SOFTWARE) from error


@signals.worker_ready.connect
def show_signs_of_life(sender: Any, **_: Any) -> None:
    """Say every few seconds what this worker does, until it ends."""
    lane, settings = _lane(sender.app), app.toolbox.settings
    drain_at_the_end(sender.pool, settings.drain_seconds)
    heartbeats = Heartbeats(connect(settings))
    _again_and_again(Pulse(lane, sender.hostname, settings, heartbeats).beat)
    if Stage.SEARCH in lane.stages:  # who searches knows best whether the engine answers
        _again_and_again(partial(_see_vectors, lane, heartbeats))
    if Stage.PURGE in lane.stages:  # the lane of the task that restores records
        _again_and_again(Overseer(app.toolbox.restoration.recovery).look)


def _see_vectors(lane: Lane, heartbeats: Heartbeats) -> None:
    app.toolbox.vectors.ping()
    heartbeats.beat(VECTORS, {"seen_by": lane.name})


def _again_and_again(act: Callable[[], None]) -> None:
    """In a thread of its own, since one may have to wait for what is away."""
    forever = Event()

    def run() -> None:
        told = False
        while True:
            try:
                act()
                told = False
            except Transient as error:
                log.log(logging.DEBUG if told else logging.WARNING, "no sign of life: %s", error)
                told = True
            forever.wait(BEAT_SECONDS)

    Thread(target=run, name="pulse", daemon=True).start()


def _lane(celery: AegisCelery) -> Lane:
    """The lane that ``--queues`` names."""
    (name,) = celery.amqp.queues.consume_from
    return lane_named(name)
