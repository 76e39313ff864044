"""Bells: the messages that tell a lane of due work.

A message carries no job: the records decide what is due. The worker that hears a bell takes the oldest due
jobs of the lane, and rings again if something is left. A lost bell loses no job: each lane's canary, every
five seconds, rings when a job is due and no bell lies there.
"""

import logging
from secrets import token_hex
from typing import Any

from rag.model import DueStage, Job
from tasks.app import PUBLISH_ERRORS, Lane, app, lane_of
from tasks.broker import sending
from tasks.toolbox import Toolbox

CANARY_SECONDS = 5.0
"""A pause that is longer needs no bell of its own: a canary rings when it is over."""

_BELL, _LATER = 3, 6
"""Priorities of bells, and of those for a pause: a queue that holds only the latter holds no bell yet."""

log = logging.getLogger(__name__)


def ring(lane: Lane, due: DueStage, *, delay: float = 0.0) -> None:
    """Send a bell to ``lane``, unless one lies there. Raises PUBLISH_ERRORS.

    ``due``: the job for which it rings. Its id and stage stand in the task's id, for logs and for Flower;
    they mean nothing to the worker. ``delay``: seconds until the job is due.
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
    """As :func:`ring`; where the broker is away, a canary rings later."""
    try:
        ring(lane, due, delay=delay)
    except PUBLISH_ERRORS as error:
        log.warning("lane %s is told later of job %s, due at %s: %s", lane.name, due.job_id, due.stage, error)


def ring_for(job: Job, *, delay: float = 0.0) -> None:
    """Ring for a job that is due at its stage in ``delay`` seconds, now or later."""
    try_ring(lane_of(job.stage), DueStage(job.stage, job.id), delay=delay)


def ring_if_due(tools: Toolbox, lane: Lane) -> None:
    """Ring where a job of ``lane`` is due. Raises PUBLISH_ERRORS, Transient."""
    due = tools.jobs.due(lane.stages, lease_seconds=tools.settings.lease_seconds, worker=tools.worker)
    if due:
        ring(lane, due[0])


def bells(channel: Any, lane: Lane) -> int:
    """Bells in the lane's queue. ``channel``: an open one of kombu, which keeps a list for each priority."""
    return int(channel.client.llen(f"{lane.name}{channel.sep}{_BELL}"))
