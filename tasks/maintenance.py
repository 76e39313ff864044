"""Housekeeping: remove what was deleted, sweep, forget what is old."""

import logging
from time import time

from rag.model import Stage
from rag.naming import DOCUMENT_FOLDERS
from rag.stores.journal import DOCUMENTS
from tasks.app import app
from tasks.keeping import folder_of
from tasks.layouts import delete_points, drop_generation
from tasks.remains import forget_batch
from tasks.stage import Done, Outcome, StageRun, stage_work
from tasks.sweeping import assign_lost_purges, expire_overdue, remove_leftovers
from tasks.toolbox import Toolbox

SWEEP_SECONDS = 120.0
PRUNE_SECONDS = 300.0
FOLLOWED_AFTER = 10.0  # so that a worker killed in a sweep costs none; two at once do no harm
BATCHES = 500
"""Bounds one run: what is left then waits for the next."""

log = logging.getLogger(__name__)


@stage_work(Stage.PURGE)
def purge(run: StageRun) -> Outcome:
    """Remove the points and blobs of a deleted document or of a dropped collection."""
    tools, inputs = run.tools, run.job.inputs
    name, generation = run.job.collection, inputs["generation"]
    collection = tools.documents.collection(name)
    if inputs["document_id"] is None and collection is not None and collection.generation == generation:
        log.warning("collection %s is not purged: it serves", folder_of(run.job))
    elif inputs["document_id"] is None:
        drop_generation(tools.vectors, name, generation)
        for folder in (*DOCUMENT_FOLDERS, DOCUMENTS):
            for key in list(tools.blobs.keys(f"{folder}/{folder_of(run.job)}/")):
                tools.blobs.delete(key)
    else:
        if collection is not None and collection.generation == generation:  # else all points went with it
            delete_points(tools.vectors, collection, inputs["document_id"], below=inputs["version"] + 1)
        for key in inputs["blobs"]:
            tools.blobs.delete(key)
    return Done(lambda *_: {"document_id": inputs["document_id"], "collection": run.job.collection})


@app.task(name="aegis.maintenance.sweep")
def sweep() -> str:
    """End what nobody waits for, give deletions their job, remove what failed jobs left."""
    tools = app.toolbox
    with tools.jobs.alone("sweep", seconds=SWEEP_SECONDS, followed_after=FOLLOWED_AFTER) as alone:
        if not alone:
            return "another worker sweeps"
        late, purges = expire_overdue(tools), assign_lost_purges(tools)
        return f"expired: {late}, purges assigned: {purges}, cleared: {remove_leftovers(tools)}"


@app.task(name="aegis.maintenance.prune")
def prune() -> str:
    """Forget the jobs that ended long ago or are too many, and what the unsuccessful ones left behind."""
    tools = app.toolbox
    with tools.jobs.alone("prune", seconds=PRUNE_SECONDS, followed_after=FOLLOWED_AFTER) as alone:
        return f"forgotten: {forgotten(tools)}" if alone else "another worker prunes"


def forgotten(tools: Toolbox) -> int:
    """How many jobs were forgotten."""
    before, count = time() - tools.settings.job_retention_hours * 3600, 0
    for _ in range(BATCHES):
        batch = forget_batch(tools, finished_before=before)
        if not batch:
            break
        count += batch
    return count
