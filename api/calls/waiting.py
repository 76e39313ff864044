"""Waiting for a job without holding a thread: long polls, and ``Prefer: wait=N`` (RFC 7240)."""

import asyncio
import re
from collections.abc import Coroutine, Sequence
from time import monotonic
from typing import TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.calls.batch_standings import APART_SECONDS
from api.calls.parts import Parts
from rag.errors import NotFound
from rag.model import BatchStanding, Job

T = TypeVar("T")

LONGEST_WAIT = 60
_RECHECK_SECONDS = 5.0
_PREFERENCE = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\Z))+')
_WAIT = re.compile(r'\s*wait\s*=\s*(?:(\d{1,9})|"(\d{1,9})")\s*\Z', re.IGNORECASE)


def preferred_wait(headers: Sequence[str]) -> int | None:
    """Seconds that a client prefers to wait, 60 at most; None without a ``wait`` that can be read.

    By RFC 7240 the first ``wait`` counts, and what cannot be read is ignored.
    """
    preferences = (preference for header in headers for preference in _PREFERENCE.findall(header))
    found = (_WAIT.match(preference.partition(";")[0]) for preference in preferences)
    return next((min(int(match[1] or match[2]), LONGEST_WAIT) for match in found if match), None)


async def wait_for_end(parts: Parts, request: Request, job_id: str, seconds: float) -> Job:
    """The job as soon as it is over, or its state after ``seconds`` or when the server stops.

    NotFound when the record is gone; ClientDisconnect when the client is.
    """
    return await _unless_client_leaves(request, _end_of(parts, job_id, seconds))


async def wait_for_batch(parts: Parts, request: Request, batch_id: str, seconds: float) -> BatchStanding:
    """How the batch stands as soon as all of its jobs are over, after ``seconds``, or at the server's stop.

    ClientDisconnect when the client is gone.
    """
    return await _unless_client_leaves(request, _end_of_batch(parts, batch_id, seconds))


async def _unless_client_leaves(request: Request, wait: Coroutine[None, None, T]) -> T:
    async def client_leaves() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass  # the rest of the request's body

    waiting = asyncio.create_task(wait)
    leaving = asyncio.create_task(client_leaves())
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise ClientDisconnect
        return waiting.result()
    finally:
        waiting.cancel()
        leaving.cancel()
        await asyncio.gather(waiting, leaving, return_exceptions=True)


async def _end_of(parts: Parts, job_id: str, seconds: float) -> Job:
    deadline = monotonic() + seconds
    # Listen first and read then, so that no change falls in between. A notification may still be lost:
    # hence the recheck.
    async with parts.changes.watch(job_id, every=False) as watch:
        while True:
            job = await run_in_threadpool(parts.jobs.get, job_id)
            if job is None:
                raise no_such_job(job_id)
            left = deadline - monotonic()
            if job.state.final or left <= 0 or parts.stopping.is_set():
                return job
            await watch.wait(min(left, _RECHECK_SECONDS))


async def _end_of_batch(parts: Parts, batch_id: str, seconds: float) -> BatchStanding:
    deadline = monotonic() + seconds
    async with parts.changes.watch(batch_id, every=False) as watch:
        while True:
            standing = await run_in_threadpool(parts.batches.standing, batch_id)
            left = deadline - monotonic()
            if not standing.still_open or left <= 0 or parts.stopping.is_set():
                return standing
            await asyncio.sleep(min(left, APART_SECONDS))  # many jobs may end at once
            await watch.wait(max(0.0, min(deadline - monotonic(), _RECHECK_SECONDS)))


def no_such_job(job_id: str) -> NotFound:
    return NotFound(
        f"There is no job {job_id!r} that this key can see; records of ended jobs are kept for some days only"
    )
