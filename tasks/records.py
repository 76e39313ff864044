"""Bringing the records in order after Redis was started again, or has lost its data.

What is missing is rebuilt from the journal, and until that is done nothing else is answered when
all was lost. The flow may stop anywhere and begins anew then; two never run at once.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from functools import partial
from time import monotonic

from rag.stores.entries import JobFields
from rag.stores.recovery import Claim, Recovery
from rag.stores.restoration import Restoration
from tasks.app import PUBLISH_ERRORS, app

ASK_SECONDS = 5.0

log = logging.getLogger(__name__)


@app.task(name="aegis.maintenance.restore")
def restore() -> str:
    """Rebuild the records that Redis lost; the lanes' canaries find what has to be run again."""
    return restore_records(app.toolbox.restoration)


class Overseer:
    """Has the records brought in order by the task, for a process that must not touch blobs itself."""

    def __init__(self, recovery: Recovery) -> None:
        self._recovery = recovery
        self._asked_at = float("-inf")

    def look(self) -> None:
        """Send the task where it is due and not under way, every few seconds. Unavailable without Redis."""
        if self._recovery.intact() or self._recovery.under_way():
            return
        if monotonic() - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = monotonic()
        try:
            restore.apply_async()
        except PUBLISH_ERRORS as error:
            log.warning(
                "the records are not in order, and nobody can be asked to restore them yet: %s", error
            )


def restore_records(restoration: Restoration) -> str:
    """A word on what was done. Raises Unavailable when records go, or the blob store is away, meanwhile."""
    with restoration.recovery.claimed() as claim:
        if claim is None:
            return "somebody else is at it"
        if restoration.recovery.intact():
            return "nothing to do"
        found = rebuilt(restoration, claim)
        claim.conclude()
    summary = ", ".join(f"{name}: {number}" for name, number in found.items())
    log.info("records brought in order: %s", summary)
    return summary


def rebuilt(restoration: Restoration, claim: Claim) -> Counter[str]:
    """How many entries of each sort were gone through or brought back, a batch at a time.

    Keys come first, then collections, since documents belong to them, and ends before beginnings, since a
    job that has both is over.
    """
    found: Counter[str] = Counter()
    for step in (_keys, _collections, _documents, _ended_jobs, _open_jobs):
        for part in step(restoration):
            found.update(part)
            claim.renew()
    return found


def _keys(restoration: Restoration) -> Iterator[dict[str, int]]:
    yield {"keys": restoration.keys.restore(restoration.journal.made_keys())}


def _collections(restoration: Restoration) -> Iterator[dict[str, int]]:
    for entry in restoration.journal.collections():
        restoration.documents.collection(entry)
        yield {"collections": 1}


def _documents(restoration: Restoration) -> Iterator[dict[str, int]]:
    for batch in restoration.journal.documents():
        restoration.documents.documents(batch)
        yield {"documents": len(batch)}


def _ended_jobs(restoration: Restoration) -> Iterator[dict[str, int]]:
    for ids in restoration.journal.ended_jobs():
        missing = [job_id for job_id, state in restoration.jobs.states(ids).items() if state is None]
        yield {"ended jobs": _restore(restoration, list(restoration.journal.ended(missing)))}


def _open_jobs(restoration: Restoration) -> Iterator[dict[str, int]]:
    for ids in restoration.journal.open_jobs():
        states = restoration.jobs.states(ids)
        for job_id, state in states.items():
            if state is not None and state.final:
                restoration.journal.end(partial(restoration.jobs.record, job_id))
        missing = [job_id for job_id, state in states.items() if state is None]
        yield {"open jobs": _restore(restoration, list(restoration.journal.opened(missing)))}


def _restore(restoration: Restoration, jobs: list[JobFields]) -> int:
    """How many have a record again; what would have been forgotten by now is."""
    restoration.documents.note_versions(jobs)
    outlived = {job["id"] for job in jobs if restoration.jobs.outlived(job)}
    for job_id in outlived:
        restoration.journal.forget(job_id)
    return restoration.jobs.restore(job for job in jobs if job["id"] not in outlived)
