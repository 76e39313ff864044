"""Housekeeping: remove what was deleted, publish again what the queue lost, forget what is old."""

import logging
from time import time
from typing import Any

from rag.model import JobKind, JobState, Stage
from tasks.app import LANES, Lane, app, lane_of, publish
from tasks.keeping import discard
from tasks.stage import Done, Outcome, StageRun, stage_task
from tasks.toolbox import Toolbox

LOST_AFTER = 30.0  # seconds that a queued job may be without a message before it is published again
BATCH = 500

log = logging.getLogger(__name__)


@stage_task(Stage.PURGE)
def purge(run: StageRun) -> Outcome:
    """Remove the points and blobs of a deleted document or of a dropped collection."""
    tools, inputs = run.tools, run.job.inputs
    store = f"{run.job.collection}-{inputs['generation']}"
    if inputs["document_id"] is None:
        tools.vectors.drop(store)
        for folder in ("sources", "texts"):
            for key in list(tools.blobs.keys(f"{folder}/{store}/")):
                tools.blobs.delete(key)
    else:
        tools.vectors.delete(store, inputs["document_id"], below=inputs["version"] + 1)
        for key in inputs["blobs"]:
            tools.blobs.delete(key)
    return Done(lambda *_: {"document_id": inputs["document_id"], "collection": run.job.collection})


@app.task(name="aegis.maintenance.sweep")
def sweep() -> str:
    """Publish again what is due but has no message, and what a dead worker held."""
    return f"published again: {published_again(app.toolbox)}"


@app.task(name="aegis.maintenance.prune")
def prune() -> str:
    """Forget the jobs that ended long ago, and what the unsuccessful ones left behind."""
    tools = app.toolbox
    before = time() - tools.settings.job_retention_hours * 3600
    forgotten = 0
    while batch := tools.jobs.prune(finished_before=before, limit=BATCH):
        for job in batch:
            if job.kind is JobKind.INGEST and job.state is not JobState.SUCCEEDED:
                discard(tools.blobs, job, source=True, text=True)
        forgotten += len(batch)
    return f"forgotten: {forgotten}"


def published_again(tools: Toolbox) -> int:
    """How many overdue jobs were published again.

    A lane with at least as many messages as waiting jobs only has a backlog. A message
    too many does no harm: whoever gets it finds the stage done, or begun.
    """
    lost = 0
    backlogged = {lane.name for lane in LANES if _only_backlog(tools, lane)}
    for job in tools.jobs.overdue(queued_before=time() - LOST_AFTER, limit=BATCH):
        if job.state is JobState.QUEUED and lane_of(job.stage).name in backlogged:
            continue
        log.warning("job %s: stage %s is due but has no message, published again", job.id, job.stage)
        publish(job)
        tools.jobs.touch(job.id)
        lost += 1
    return lost


def _only_backlog(tools: Toolbox, lane: Lane) -> bool:
    waiting = sum(tools.jobs.depth(stage) for stage in lane.stages)
    return messages(lane) >= waiting


def messages(lane: Lane) -> int:
    """Messages in the lane's queue that no worker has taken."""
    with app.connection_for_read() as connection:
        channel: Any = connection.channel()  # typed as a channel without its queue methods
        return int(channel.queue_declare(lane.name).message_count)  # an empty queue is no key in Redis
