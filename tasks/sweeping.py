"""The sweeper: ends questions that are too late, gives deletions their job, removes what failed jobs left."""

import logging

from rag.errors import TimedOut, Transient
from rag.model import Job
from tasks.bells import ring_for
from tasks.problems import problem
from tasks.purging import assign_purge_job
from tasks.remains import remove_remains
from tasks.toolbox import Toolbox

LOST_AFTER = 30.0
"""Seconds after which whoever made a deletion, and has not given it its job, has died."""

BATCH = 500

log = logging.getLogger(__name__)


def expire_overdue(tools: Toolbox) -> int:
    """End the queued questions whose deadline has passed; how many."""
    count = 0
    while ended := sum(_expire(tools, job) for job in tools.jobs.expired(limit=BATCH)):
        count += ended
    return count


def _expire(tools: Toolbox, job: Job) -> bool:
    late = TimedOut(f"The job's deadline passed while it waited for stage {job.stage}")
    return tools.jobs.expire(job.id, error=problem(late, job))


def assign_lost_purges(tools: Toolbox) -> int:
    """Give the deletions a job whose makers died before they did; how many."""
    lost = tools.documents.unpurged(silent_for=LOST_AFTER, limit=BATCH)
    for removal in lost:
        ring_for(assign_purge_job(tools.jobs, tools.documents, removal).job)
    if lost:
        log.warning(
            "purged without having been asked again: %d deletions, as job %s", len(lost), lost[0].job_id
        )
    return len(lost)


def remove_leftovers(tools: Toolbox) -> int:
    """Remove what ingestions that ended without success left, of how many jobs; none while a part is away."""
    try:
        return sum(remove_remains(tools, job.id) for job in tools.jobs.remains(limit=BATCH))
    except Transient as error:
        log.warning("what failed jobs left is removed later: %s", error)
        return 0
