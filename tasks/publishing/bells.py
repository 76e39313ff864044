"""Bells: the messages that tell a lane that work is due.

A message carries no job: the records decide what is due. The worker that receives a bell takes the oldest due
jobs of the lane, and rings again if something is left. A lost bell loses no job: every five seconds, each
lane's canary rings when a job is due and no bell waits in the queue.

The canary: a task sent ahead of every bell. A worker that takes it is alive. It replaces lost bells.

It has the highest priority, which kombu keeps under the queue's own name in Redis, so canaries
can be counted apart from bells. It carries no ``expires``: that is a time by the sender's clock, and a
worker whose clock runs ahead would throw every canary away.
"""

import logging
from secrets import token_hex
from typing import Any

from rag.errors import ErrorTable, Transient, Unavailable, translated
from rag.model import DueStage, Job
from tasks.app import CANARY, PUBLISH_ERRORS, app, sending
from tasks.lanes import Lane, lane_named, lane_of
from tasks.toolbox import Toolbox

CANARY_SECONDS = 5.0
"""Time between two canaries. A longer pause needs no bell of its own: a canary rings when it is over."""

_BELL, _LATER = 3, 6
"""Priorities of a bell for now and of one for later. The latter does not keep others from ringing now."""

log = logging.getLogger(__name__)


def ring(lane: Lane, due: DueStage, *, delay: float = 0.0) -> None:
    """Send a bell to ``lane``, unless one waits in its queue. Raises PUBLISH_ERRORS.

    ``due``: the job for which it rings. The task's id shows its id and stage in logs and in Flower; the
    worker does not read them. ``delay``: seconds until the job is due.
    """
    if delay >= CANARY_SECONDS:
        return
    with sending(), app.producer_or_acquire() as producer:
        if delay or not bells(producer.channel, lane):
            app.send_task(
                lane.task,
                task_id=f"{due.job_id}.{due.stage}.{token_hex(3)}",
                queue=lane.name,
                priority=_LATER if delay else _BELL,
                countdown=delay or None,
                producer=producer,
            )


def announce(job: Job) -> None:
    """Ring for a job that was accepted. Raises PUBLISH_ERRORS."""
    ring(lane_of(job.stage), DueStage(job.stage, job.id))


def try_ring(lane: Lane, due: DueStage, *, delay: float = 0.0) -> None:
    """As :func:`ring`, but log where the broker is away: a canary rings later."""
    try:
        ring(lane, due, delay=delay)
    except PUBLISH_ERRORS as error:
        log.warning("lane %s hears later of job %s, due at %s: %s", lane.name, due.job_id, due.stage, error)


def ring_for(job: Job, *, delay: float = 0.0) -> None:
    """Ring for a job that is due at its stage in ``delay`` seconds."""
    try_ring(lane_of(job.stage), DueStage(job.stage, job.id), delay=delay)


def ring_if_due(tools: Toolbox, lane: Lane) -> None:
    """Ring if a job of ``lane`` is due. Raises PUBLISH_ERRORS, Transient."""
    due = tools.jobs.due(lane.stages, lease_seconds=tools.settings.lease_seconds, worker=tools.worker)
    if due:
        ring(lane, due[0])


def has_bell(*lanes: Lane) -> bool:
    """Whether a bell waits in the queue of one of the lanes; True too where the broker does not tell."""
    try:
        with sending(), app.producer_or_acquire() as producer:
            channel: Any = producer.channel
            with channel.client.pipeline(transaction=False) as asked:
                for lane in lanes:
                    asked.llen(_queue(channel, lane))
                return any(asked.execute())
    except PUBLISH_ERRORS as error:
        log.warning("the broker does not tell what waits in its queues: %s", error)
        return True


def bells(channel: Any, lane: Lane) -> int:
    """Number of bells in the lane's queue. ``channel``: an open one of kombu.

    kombu keeps a Redis list for each priority of a queue.
    """
    return int(channel.client.llen(_queue(channel, lane)))


def _queue(channel: Any, lane: Lane) -> str:
    return f"{lane.name}{channel.sep}{_BELL}"


_ERRORS: ErrorTable = dict.fromkeys(PUBLISH_ERRORS, Unavailable)


@app.task(name=CANARY, send_events=False)
def canary(lane: str, *_: object, **__: object) -> None:
    """Ring if a job of ``lane`` is due and no bell waits: then the bell was lost, or a pause is over.

    A later version may send more arguments, as to every task of a lane.
    """
    try:
        ring_if_due(app.toolbox, lane_named(lane))
    except (Transient, *PUBLISH_ERRORS) as error:
        log.info("due jobs of lane %s are searched for again within seconds: %s", lane, error)


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
