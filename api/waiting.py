"""Waiting for a job without holding a thread: long polls, and ``Prefer: wait=N`` (RFC 7240)."""

import re
from collections.abc import Sequence
from time import monotonic

from fastapi.concurrency import run_in_threadpool

from api.parts import Parts
from rag.errors import NotFound
from rag.model import Job

LONGEST_WAIT = 60
_RECHECK_SECONDS = 5.0
_WAIT = re.compile(r"\s*wait\s*=\s*\"?(\d{1,9})\"?\s*\Z", re.IGNORECASE)


def preferred_wait(headers: Sequence[str]) -> int | None:
    """Seconds that a client prefers to wait, 60 at most; None without a ``wait`` that can be read.

    The first one counts, and what is not understood is passed over, as RFC 7240 has it.
    """
    preferences = (preference for header in headers for preference in header.split(","))
    found = (_WAIT.match(preference.partition(";")[0]) for preference in preferences)
    return next((min(int(match[1]), LONGEST_WAIT) for match in found if match), None)


async def settled(parts: Parts, job_id: str, seconds: float) -> Job:
    """The job as soon as it is over, or as it stands after ``seconds`` or when the server stops.

    Changes are listened to before the record is read, so none is missed in between; a
    change whose message got lost is seen at the next look, 5 seconds later at most. NotFound
    when the record is gone.
    """
    deadline = monotonic() + seconds
    async with parts.changes.watch(job_id, every=False) as watch:
        while True:
            job = await run_in_threadpool(found_job, parts, job_id)
            left = deadline - monotonic()
            if job.state.final or left <= 0 or parts.stopping.is_set():
                return job
            await watch.wait(min(left, _RECHECK_SECONDS))


def found_job(parts: Parts, job_id: str) -> Job:
    """The record. NotFound when there is none."""
    job = parts.jobs.get(job_id)
    if job is None:
        raise no_such_job(job_id)
    return job


def no_such_job(job_id: str) -> NotFound:
    return NotFound(
        f"There is no job {job_id!r} that this key can see; records of ended jobs are kept for some days only"
    )
