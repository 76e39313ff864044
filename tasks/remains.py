"""What an ingestion that did not succeed has left: points that no search may see, and its work.

Its points are removed only while nobody can bring the job back (``JobStore.tidy``) and never
when its version was published. A job that may run again keeps its source, text and artefacts.
"""

import logging
from time import time

from rag.errors import Transient
from rag.model import Job, JobKind, JobState, Lease, Stage
from rag.subjects import named
from tasks.keeping import discard, discard_all, is_seen
from tasks.layouts import delete_points, drop_generation
from tasks.toolbox import Toolbox

TIDY_SECONDS = 120.0
"""Longer than the removal takes, whatever is slow: a call of the vector engine ends within 30 s."""

BATCH = 200

log = logging.getLogger(__name__)


def remove_remains(tools: Toolbox, job_id: str, *, lease: Lease | None = None) -> bool:
    """Whether there was something to remove. ``lease``: the caller was at work under it until now."""
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
    """Remove what an attempt wrote that has lost its job; the sweeper does it where this fails."""
    try:
        if lease.job.kind is JobKind.INGEST:
            remove_remains(tools, lease.job.id, lease=lease)
    except Transient as error:
        log.warning("%s: what it left is removed later: %s", named(lease.job), error)


def forget_batch(tools: Toolbox, *, finished_before: float) -> int:
    """How many ended jobs were forgotten with what they left: old ones, and those over the bound."""
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
    """Remove everything of an ingestion whose record is gone, unless its document is to be seen."""
    if job.kind is not JobKind.INGEST:
        return
    try:
        if job.state is not JobState.SUCCEEDED:
            _remove_points(tools, job)
        discard_all(tools.documents, tools.blobs, job)
    except Transient as error:
        about = {name: job.inputs.get(name) for name in ("document_id", "generation", "version")}
        log.warning("%s is forgotten, but not what it left (%s): %s", named(job), about, error)


def _remove_points(tools: Toolbox, job: Job) -> None:
    if not _was_indexing(job) or is_seen(tools.documents, job):
        return
    collection, generation = tools.documents.collection(job.collection), job.inputs["generation"]
    if collection is None or collection.generation != generation:
        drop_generation(tools.vectors, job.collection, generation)
    else:
        delete_points(tools.vectors, collection, job.inputs["document_id"], only=job.inputs["version"])


def _was_indexing(job: Job) -> bool:
    return job.stage is Stage.INDEX or Stage.INDEX in job.timings
