"""Rebuilding the records after Redis was restarted, or has lost its data.

What is missing is rebuilt from the journal. When all was lost, Redis answers nothing else until that is done.
A rebuild may stop anywhere and then begins anew; two never run at once.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from functools import partial
from time import monotonic

from rag.journal.entries import BatchEntry, JobFields
from rag.recovery.rebuild import Restoration
from rag.recovery.recovery import Claim, Recovery
from tasks.app import PUBLISH_ERRORS, app

ASK_SECONDS = 5.0

log = logging.getLogger(__name__)


@app.task(name="aegis.maintenance.restore")
def restore() -> str:
    """Rebuild the records that Redis lost. The lanes' canaries then find the jobs that must run again."""
    return rebuild_records(app.toolbox.restoration)


class Overseer:
    """Asks for a rebuild by the task, for a process that must not touch blobs itself."""

    def __init__(self, recovery: Recovery) -> None:
        self._recovery = recovery
        self._asked_at = float("-inf")

    def look(self) -> None:
        """Send the task if a rebuild is due and none runs, every few seconds at most. Unavailable."""
        if self._recovery.intact() or self._recovery.under_way():
            return
        if monotonic() - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = monotonic()
        try:
            restore.apply_async()
        except PUBLISH_ERRORS as error:
            log.warning(
                "the records are not in order, and no worker can be asked to rebuild them yet: %s", error
            )


def rebuild_records(restoration: Restoration) -> str:
    """Rebuild the records if they are not intact. Returns a summary.

    Raises Unavailable when records are lost again meanwhile, or the blob store is away; ConfigurationError
    when a later version of Aegis wrote the journal.
    """
    with restoration.recovery.claimed() as claim:
        if claim is None:
            return "another worker rebuilds them"
        if restoration.recovery.intact():
            return "nothing to do"
        restoration.journal.check_format()
        found = rebuild_all(restoration, claim)
        restoration.recovery.note_format()
        claim.conclude()
    summary = ", ".join(f"{name}: {number}" for name, number in found.items())
    log.info("the records were rebuilt: %s", summary)
    return summary


def rebuild_all(restoration: Restoration, claim: Claim) -> Counter[str]:
    """Rebuild what is missing, a batch at a time. Returns how many entries of each sort were rebuilt or read.

    The claim is renewed after each batch. Raises Unavailable when it was lost.
    """
    found: Counter[str] = Counter()
    for name, count in _rebuild(restoration):
        found[name] += count
        claim.renew()
    return found


def _rebuild(restoration: Restoration) -> Iterator[tuple[str, int]]:
    """Yields after each batch what it was of, and its number.

    Collections come before the documents that belong to them. Ends of jobs come before beginnings, because a
    job that has both is over.
    """
    journal, jobs = restoration.journal, restoration.jobs
    yield "keys", restoration.keys.restore(journal.made_keys())
    for entry in journal.collections():
        restoration.documents.collection(entry)
        yield "collections", 1
    for batch in journal.documents():
        restoration.documents.documents(batch)
        yield "documents", len(batch)
    for ids in journal.ended_jobs():
        missing = [job_id for job_id, state in jobs.states(ids).items() if state is None]
        yield "ended jobs", _restore(restoration, list(journal.ended(missing)))
    for ids in journal.open_jobs():
        states = jobs.states(ids)
        for job_id, state in states.items():
            if state is not None and state.final:
                journal.end(partial(jobs.record, job_id))
        missing = [job_id for job_id, state in states.items() if state is None]
        yield "open jobs", _restore(restoration, list(journal.opened(missing)))
    for entry_of_batch in journal.batches():
        yield "open jobs", _restore_batch(restoration, entry_of_batch)
        yield "batches", 1


def _restore_batch(restoration: Restoration, entry: BatchEntry) -> int:
    """Restore a batch, and its jobs that are neither there nor over. Returns how many were missing."""
    journal, jobs = restoration.journal, restoration.jobs
    states = jobs.states([job["id"] for job in entry.jobs])
    over = [job_id for job_id, state in states.items() if state is not None and state.final]
    for job_id in journal.lacking_ends(over):
        journal.end(partial(jobs.record, job_id))
    missing = _restore(restoration, [job for job in entry.jobs if states[job["id"]] is None])
    jobs.restore_batch(entry.batch)
    return missing


def _restore(restoration: Restoration, jobs: list[JobFields]) -> int:
    """Restore the records of jobs, and forget those that are too old. Returns how many were missing."""
    restoration.documents.note_versions(jobs)
    outlived = {job["id"]: job.get("batch", "") for job in jobs if restoration.jobs.outlived(job)}
    restoration.journal.forget(outlived)
    return restoration.jobs.restore(job for job in jobs if job["id"] not in outlived)
