"""Leftovers of an ingestion that did not succeed: points that no search may see, and its work.

Its points are removed only while the job cannot be retried (``JobStore.tidy``), and never
when its version was published. A job that may run again keeps its source, text and artefacts.
"""

import logging
from time import time

from rag.errors import Transient
from rag.jobs.subjects import named
from rag.model import Job, JobKind, JobState, Lease, Stage
from tasks.documents.blob_keys import discard, discard_all, is_seen
from tasks.documents.layouts import delete_points, drop_generation
from tasks.toolbox import Toolbox

TIDY_SECONDS = 120.0
"""Longer than any removal takes: a call of the vector engine ends within 30 s."""

BATCH = 200

log = logging.getLogger(__name__)


def remove_leftovers_of(tools: Toolbox, job_id: str, *, lease: Lease | None = None) -> bool:
    """Remove what the job left; False when there was nothing to remove.

    ``lease``: the one under which the caller worked until now, and writes no more.
    """
    job = tools.jobs.tidy(job_id, seconds=TIDY_SECONDS)
    if job is None:
        return False
    if job.kind is JobKind.INGEST:
        _remove_points(tools, job)
        if job.state is not JobState.FAILED:
            discard(tools.blobs, job)
    tools.jobs.confirm_tidy(job_id, lease=lease)
    return True


def leave_clean(tools: Toolbox, lease: Lease) -> None:
    """Remove what an attempt wrote that has lost its job. Where this fails, the sweeper does it."""
    try:
        if lease.job.kind is JobKind.INGEST:
            remove_leftovers_of(tools, lease.job.id, lease=lease)
    except Transient as error:
        log.warning("%s: what it left is removed later: %s", named(lease.job), error)


def forget_batch(tools: Toolbox, *, finished_before: float) -> int:
    """Forget ended jobs and what they left: old ones, and those over MAX_ENDED_JOBS. Returns how many."""
    settings = tools.settings
    batch = tools.jobs.prune(
        finished_before=finished_before,
        dead_before=time() - settings.dead_letter_days * 86400,
        most=settings.max_ended_jobs,
        limit=BATCH,
    )
    for job in batch:
        forget(tools, job)
    return len(batch)


def forget(tools: Toolbox, job: Job) -> None:
    """Remove everything of an ingestion whose record is gone, unless searches see its document."""
    if job.kind is not JobKind.INGEST:
        return
    try:
        if job.state is not JobState.SUCCEEDED:
            _remove_points(tools, job)
        discard_all(tools.documents, tools.blobs, job)
    except Transient as error:
        about = {name: job.inputs.get(name) for name in ("document_id", "generation", "version")}
        log.warning("%s is forgotten, but what it left stays (%s): %s", named(job), about, error)


def _remove_points(tools: Toolbox, job: Job) -> None:
    indexed = job.stage is Stage.INDEX or Stage.INDEX in job.timings
    if not indexed or is_seen(tools.documents, job):
        return
    collection, generation = tools.documents.collection(job.collection), job.inputs["generation"]
    if collection is None or collection.generation != generation:
        drop_generation(tools.vectors, job.collection, generation)
    else:
        delete_points(tools.vectors, collection, job.inputs["document_id"], only=job.inputs["version"])
