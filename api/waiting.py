"""Waiting for a job without holding a thread: long polls, and ``Prefer: wait=N`` (RFC 7240)."""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from time import monotonic
from typing import Any, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.parts import Parts
from rag.errors import NotFound
from rag.model import Job

LONGEST_WAIT = 60
_RECHECK_SECONDS = 5.0
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\Z))+')
_WAIT = re.compile(r'\s*wait\s*=\s*(?:(\d{1,9})|"(\d{1,9})")\s*\Z', re.IGNORECASE)

T = TypeVar("T")


def preferred_wait(headers: Sequence[str]) -> int | None:
    """Seconds that a client prefers to wait, 60 at most; None without a ``wait`` that can be read.

    The first one counts, and what is not understood is passed over, as RFC 7240 has it.
    """
    preferences = (preference for header in headers for preference in _PREFERENCE.findall(header))
    found = (_WAIT.match(preference.partition(";")[0]) for preference in preferences)
    return next((min(int(match[1] or match[2]), LONGEST_WAIT) for match in found if match), None)


async def settled(parts: Parts, request: Request, job_id: str, seconds: float) -> Job:
    """The job as soon as it is over, or as it stands after ``seconds`` or when the server stops.

    NotFound when the record is gone; ClientDisconnect when the client is.
    """
    return await _unless_left(request, _settled(parts, job_id, seconds))


async def _unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` comes to. It ends, with ClientDisconnect, when the client leaves before."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_await_departure(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _await_departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass  # what is left of a body


async def _settled(parts: Parts, job_id: str, seconds: float) -> Job:
    """Changes are listened to before the record is read, so none is missed in between; a change whose
    message got lost is seen at the next look, 5 seconds later at most."""
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
