"""Where a Celery worker starts: ``celery -A workers.main worker --queues LANE``.

The lane's models load in the parent, before the pool forks: a model that cannot load
ends the worker at boot with one line, and a pool child that crashed is replaced without
loading anything again.
"""

import logging
import os
import sys
from threading import Event, Thread
from typing import Any

from celery import signals

from rag.errors import AegisError, Transient
from rag.model import Stage
from rag.settings import load
from rag.stores.heartbeats import Heartbeats
from rag.stores.redis import connect
from tasks.app import AegisCelery, Lane, app, lane_named
from workers.tools import Tools, warm

HEARTBEAT_SECONDS = 2.0
HEARTBEAT_TTL_SECONDS = 10
VECTORS = "vectors"

log = logging.getLogger(__name__)

__all__ = ["app"]


@signals.worker_init.connect
def prepare(sender: Any, **_: Any) -> None:
    """Build the tools, load the lane's models, or leave with the reason."""
    try:
        tools = Tools(load())
        app.toolbox = tools
        warm(tools, _lane(sender.app))
    except AegisError as error:
        sys.stderr.write(f"worker cannot start: {error}\n")
        raise SystemExit(os.EX_UNAVAILABLE) from error


@signals.worker_ready.connect
def show_signs_of_life(sender: Any, **_: Any) -> None:
    """Say every few seconds that this lane's worker is there, until it ends."""
    Thread(target=_beat, args=(_lane(sender.app),), name="heartbeat", daemon=True).start()


def _beat(lane: Lane) -> None:
    tools = app.toolbox
    heartbeats = Heartbeats(connect(tools.settings))
    forever = Event()
    while True:
        try:
            heartbeats.beat(lane.name, {"pid": os.getpid()}, ttl_seconds=HEARTBEAT_TTL_SECONDS)
            if Stage.SEARCH in lane.stages:  # who searches knows best whether the engine answers
                tools.vectors.ping()
                heartbeats.beat(VECTORS, {"seen_by": lane.name}, ttl_seconds=HEARTBEAT_TTL_SECONDS)
        except Transient as error:
            log.warning("no heartbeat: %s", error)
        forever.wait(HEARTBEAT_SECONDS)


def _lane(celery: AegisCelery) -> Lane:
    """The lane that ``--queues`` names."""
    names = list(celery.amqp.queues.consume_from)
    if len(names) != 1:
        raise SystemExit("a worker serves exactly one lane: name it with --queues LANE")
    return lane_named(names[0])
