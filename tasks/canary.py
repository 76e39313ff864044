"""The canary: a task sent ahead of every bell. A worker that takes it is alive. It replaces lost bells.

It has the highest priority, which kombu keeps under the queue's own name in Redis, so canaries
can be counted apart from bells. It carries no ``expires``: that is a time by the sender's clock, and a
worker whose clock runs ahead would throw every canary away.
"""

import logging
from typing import Any

from rag.errors import ErrorTable, Transient, Unavailable, translated
from tasks.app import CANARY, PUBLISH_ERRORS, Lane, app, lane_named, sending
from tasks.bells import ring_if_due

log = logging.getLogger(__name__)

_ERRORS: ErrorTable = dict.fromkeys(PUBLISH_ERRORS, Unavailable)


@app.task(name=CANARY, send_events=False)
def canary(lane: str) -> None:
    """Ring if a job of ``lane`` is due and no bell waits: then the bell was lost, or a pause is over."""
    try:
        ring_if_due(app.toolbox, lane_named(lane))
    except (Transient, *PUBLISH_ERRORS) as error:
        log.warning("due jobs of lane %s are searched for again within seconds: %s", lane, error)


def release(lane: Lane, wanted: int) -> int:
    """Send canaries until ``wanted`` of them wait in the queue. Returns how many. Raises Unavailable.

    Redis gives one message to each waiting worker, and serves the longest waiting first. So as many
    canaries as there are workers, sent at once, reach every idle one.
    """
    with translated(_ERRORS, "the broker"), sending(), app.connection_for_write() as connection:
        missing = max(0, wanted - canaries(connection.default_channel, lane))
        for _ in range(missing):
            app.send_task(CANARY, args=[lane.name], queue=lane.name, connection=connection)
    return missing


def canaries(channel: Any, lane: Lane) -> int:
    """Number of canaries in the lane's queue. ``channel``: an open one; kombu's types lack its client."""
    return int(channel.client.llen(lane.name))


class Quiet(logging.Filter):
    """Keeps canaries out of the log, except their failures."""

    def filter(self, record: logging.LogRecord) -> bool:
        task = getattr(record, "data", {}).get("name")
        return task != CANARY or record.levelno > logging.INFO


def hush() -> None:
    """Silence Celery's loggers about canaries."""
    for name in ("celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).addFilter(Quiet())
