"""Housekeeping: purge what was deleted, sweep, forget old jobs, and make room in a full broker."""

import logging
from time import time

from rag.errors import TimedOut, Transient
from rag.journal.journal import DOCUMENTS
from rag.model import Removal, Stage
from rag.naming import DOCUMENT_FOLDERS
from rag.redis.connection import connect
from rag.redis.health import read_health
from tasks.app import app
from tasks.documents.attachments import remove_attachments
from tasks.documents.blob_keys import folder_of
from tasks.documents.layouts import delete_points, drop_generation
from tasks.documents.leftovers import forget_batch, remove_leftovers_of
from tasks.documents.purge_jobs import assign_purge_job
from tasks.publishing.bells import ring_for
from tasks.stages.outcomes import problem
from tasks.stages.stage import Done, Outcome, StageRun, stage_work
from tasks.toolbox import Toolbox

SWEEP_SECONDS = 120.0
PRUNE_SECONDS = 300.0
MAKE_ROOM_SECONDS = 120.0
"""How long one run of each may take."""

FOLLOWED_AFTER = 10.0
"""Seconds after which another worker follows one that was killed. Two at once do no harm."""

LOST_AFTER = 30.0
"""Seconds after which the caller of a deletion that has no job yet is taken for dead."""

SHOWN_SECONDS = 300.0
"""For so long the end of a job can be seen, however full the broker is."""

BATCH, BATCHES = 500, 500
"""Jobs of one call to the records, and calls of one run; the next run goes on with the rest."""

log = logging.getLogger(__name__)


@stage_work(Stage.PURGE)
def purge(run: StageRun) -> Outcome:
    """Remove the points and blobs of a deleted document or of a dropped collection."""
    tools, inputs = run.tools, run.job.inputs
    name, generation = run.job.collection, inputs["generation"]
    collection = tools.documents.collection(name)
    if inputs["document_id"] is None and collection is not None and collection.generation == generation:
        log.warning("collection %s is not purged, because it serves", folder_of(run.job))
    elif inputs["document_id"] is None:
        drop_generation(tools.vectors, name, generation)
        for folder in (*DOCUMENT_FOLDERS, DOCUMENTS):
            for key in list(tools.blobs.keys(f"{folder}/{folder_of(run.job)}/")):
                tools.blobs.delete(key)
    else:
        if collection is not None and collection.generation == generation:  # else they are gone
            delete_points(tools.vectors, collection, inputs["document_id"], below=inputs["version"] + 1)
        for key in inputs["blobs"]:
            tools.blobs.delete(key)
        _purge_attachments(run)
    return Done(lambda *_: {"document_id": inputs["document_id"], "collection": run.job.collection})


def _purge_attachments(run: StageRun) -> None:
    """Remove what was attached to a deleted mail, in case its caller died before it did."""
    inputs = run.job.inputs
    mail = Removal(
        run.job.id,
        run.job.collection,
        inputs["generation"],
        inputs["document_id"],
        attachments=tuple(inputs.get("attachments", ())),
    )
    for job in remove_attachments(run.tools.jobs, run.tools.documents, mail, owner=run.job.owner):
        ring_for(job)


@app.task(name="aegis.maintenance.sweep")
def sweep() -> str:
    """End questions that nobody waits for, give deletions their job, remove what failed jobs left."""
    tools = app.toolbox
    with tools.jobs.alone("sweep", seconds=SWEEP_SECONDS, followed_after=FOLLOWED_AFTER) as alone:
        if not alone:
            return "another worker sweeps"
        late, purges = expire_overdue(tools), assign_lost_purges(tools)
        return f"expired: {late}, purges assigned: {purges}, cleared: {remove_leftovers(tools)}"


def expire_overdue(tools: Toolbox) -> int:
    """End queued questions whose deadline has passed. Returns how many."""
    count = 0
    while jobs := tools.jobs.expired(limit=BATCH):
        ended = 0
        for job in jobs:
            late = TimedOut(f"The job's deadline passed while it waited for stage {job.stage}")
            ended += tools.jobs.expire(job.id, error=problem(late, job))
        if not ended:
            break
        count += ended
    return count


def assign_lost_purges(tools: Toolbox) -> int:
    """Give a job to deletions whose callers died before they did. Returns how many."""
    lost = tools.documents.unpurged(silent_for=LOST_AFTER, limit=BATCH)
    for removal in lost:
        ring_for(assign_purge_job(tools.jobs, tools.documents, removal).job)
    if lost:
        log.warning("%d deletions had no job yet, and got one, the first %s", len(lost), lost[0].job_id)
    return len(lost)


def remove_leftovers(tools: Toolbox) -> int:
    """Remove what ingestions left that ended without success.

    Returns of how many jobs; 0 while a store is away.
    """
    try:
        return sum(remove_leftovers_of(tools, job.id) for job in tools.jobs.leftovers(limit=BATCH))
    except Transient as error:
        log.warning("what failed jobs left is removed later: %s", error)
        return 0


@app.task(name="aegis.maintenance.prune")
def prune() -> str:
    """Forget jobs that ended long ago or are too many, and what the unsuccessful ones left."""
    tools = app.toolbox
    with tools.jobs.alone("prune", seconds=PRUNE_SECONDS, followed_after=FOLLOWED_AFTER) as alone:
        return f"forgotten: {forget_old_jobs(tools)}" if alone else "another worker prunes"


def forget_old_jobs(tools: Toolbox) -> int:
    """Returns how many jobs were forgotten."""
    before, count = time() - tools.settings.job_retention_hours * 3600, 0
    for _ in range(BATCHES):
        batch = forget_batch(tools, finished_before=before)
        if not batch:
            break
        count += batch
    return count


@app.task(name="aegis.maintenance.make_room")
def make_room() -> str:
    """While the broker has little room, forget the caches, then ended jobs except dead letters."""
    tools = app.toolbox
    with tools.jobs.alone("make room", seconds=MAKE_ROOM_SECONDS, followed_after=FOLLOWED_AFTER) as alone:
        return f"forgotten early: {forget_early(tools)}" if alone else "another worker makes room"


def forget_early(tools: Toolbox) -> int:
    """Forget ended jobs before their time, oldest first. Returns how many."""
    count, settings = 0, tools.settings
    with connect(settings) as client:
        cleared = False
        while read_health(client, may_forget=settings.broker_may_forget).tight:
            if not cleared:  # caches cost nothing but time, so they go first
                tools.cache.clear()
                cleared = True
                continue
            batch = forget_batch(tools, finished_before=time() - SHOWN_SECONDS)
            if not batch:
                break
            count += batch
    return count
