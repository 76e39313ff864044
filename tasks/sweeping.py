"""The sweeper: what the queue lost, what is late, and what failed jobs left."""

import logging
from collections.abc import Sequence
from typing import Any

from rag.errors import TimedOut, Transient
from rag.model import Job, Stage
from tasks.app import LANES, Lane, app, hints, publish
from tasks.canary import canaries
from tasks.problems import problem
from tasks.purging import assign_purge_job
from tasks.remains import remove_remains
from tasks.toolbox import Toolbox

LOST_AFTER = 30.0  # seconds that a queued job may be without a message before it is published again
BATCH = 500

log = logging.getLogger(__name__)


def republish_lost(tools: Toolbox) -> int:
    """How many overdue jobs were published again.

    What a dead worker held, and of each lane as many as it has messages too few. A message too
    many does no harm: whoever gets it finds the stage done, or begun.
    """
    held = tools.jobs.abandoned(silent_for=LOST_AFTER, limit=BATCH)
    _publish(tools, held, "whose worker shows no sign of life")
    return len(held) + sum(_make_up(tools, lane) for lane in LANES)


def _make_up(tools: Toolbox, lane: Lane) -> int:
    """Messages sent for what the lane's queue lost, oldest jobs first.

    A queue delivers in order: whatever it lost waits longest, or will when the others are done.
    So a long backlog gets no more messages than it lacks. Where a hint waits, jobs that anybody
    may take need no message of their own.
    """
    own, hinted = _queued(lane)
    apart = lane.stages[:1] if hinted else ()
    missing, sent = _waiting(tools, lane, apart) - (own if apart else own + hinted), 0
    while sent < missing:
        limit = min(BATCH, missing - sent)
        batch = tools.jobs.overdue(lane.stages, silent_for=LOST_AFTER, limit=limit, apart=apart)
        _publish(tools, batch, f"without a message for {lane.name}")
        sent += len(batch)
        if len(batch) < limit:
            break
    return sent


def _waiting(tools: Toolbox, lane: Lane, apart: Sequence[Stage]) -> int:
    """How many jobs of the lane are due; at stages of ``apart``, those that are worked by themselves."""
    waiting = sum(tools.jobs.depth(stage, apart=stage in apart) for stage in lane.stages)
    return waiting - tools.jobs.delayed(lane.stages)


def _publish(tools: Toolbox, jobs: Sequence[Job], why: str) -> None:
    if jobs:
        log.warning("published again: %d jobs %s, the first is %s", len(jobs), why, jobs[0].id)
    for job in jobs:
        publish(job)
        tools.jobs.touch(job.id)


def messages(lane: Lane) -> int:
    """Messages of jobs in the lane's queue that no worker has taken."""
    return sum(_queued(lane))


def _queued(lane: Lane) -> tuple[int, int]:
    """Messages of single jobs, and hints, in the lane's queue."""
    with app.connection_for_read() as connection:
        channel: Any = connection.channel()  # typed as a channel without its queue methods
        hinted = hints(channel, lane)
        everything = int(channel.queue_declare(lane.name).message_count)  # an empty queue is no key in Redis
        return everything - canaries(channel, lane) - hinted, hinted


def expired(tools: Toolbox) -> int:
    """How many questions were ended that waited past their deadline."""
    count = 0
    while ended := sum(_expire(tools, job) for job in tools.jobs.expired(limit=BATCH)):
        count += ended
    return count


def _expire(tools: Toolbox, job: Job) -> bool:
    late = TimedOut(f"The job's deadline passed while it waited for stage {job.stage}")
    return tools.jobs.expire(job.id, error=problem(late, job))


def purges_made_up(tools: Toolbox) -> int:
    """How many deletions got their job, whoever made them having ended before."""
    lost = tools.documents.unpurged(silent_for=LOST_AFTER, limit=BATCH)
    for removal in lost:
        publish(assign_purge_job(tools.jobs, tools.documents, removal).job)
    if lost:
        log.warning(
            "purged without having been asked again: %d deletions, as job %s", len(lost), lost[0].job_id
        )
    return len(lost)


def cleared(tools: Toolbox) -> int:
    """How many jobs' remains were removed; none while a part is away that has them."""
    try:
        return sum(remove_remains(tools, job.id) for job in tools.jobs.remains(limit=BATCH))
    except Transient as error:
        log.warning("what failed jobs left is removed later: %s", error)
        return 0
