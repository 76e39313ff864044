"""What a delivery works on: the jobs whose owner's turn it is, first the one that it names if it is its.

In a lane with company a delivery goes on for a short while, so that many small jobs need few messages;
whoever leaves jobs behind sends a hint for the first of them, so that another worker begins at once and none
is forgotten. In any other lane each job has a message, which is good for one job, whichever it names.
"""

from collections.abc import Iterator
from time import monotonic, sleep

from rag.model import Lease, Stage
from rag.ports import Bounds
from tasks.app import lane_of
from tasks.lease import insisted
from tasks.messages import send
from tasks.toolbox import Toolbox

SIZE = 64
"""Chunks, or questions, that are worked at the same time: as many as a long document embeds in one call."""

TURN_SECONDS = 1.0
"""After that a delivery begins nothing more, so that a canary is not kept waiting."""

_SHARE = 0.05
"""Part of the lane's time limit that a delivery may have spent on other jobs before it begins one."""


def leases(
    tools: Toolbox, stage: Stage, job_id: str, *, together: bool, sent: int | None = None
) -> Iterator[list[Lease]]:
    """Leases to work under at the same time, one batch after another; none when nothing is due.

    ``together``: whether the stage's jobs share calls. ``sent``: as ``JobStore.take`` has it.
    Raises Transient while the records are away.
    """
    lane = lane_of(stage)
    if not lane.company:
        if batch := _take(tools, stage, job_id, 1, sent):
            yield batch
        return
    most = tools.settings.batch_jobs if together else 1
    _wait_for_company(tools, stage, most)
    until = monotonic() + min(TURN_SECONDS, _SHARE * lane.limit(tools.settings))
    batch = _take(tools, stage, job_id, tools.pace.jobs(stage, most), sent)
    while batch:
        began = monotonic()
        yield batch
        shared = any(lease.job.owner for lease in batch)
        tools.pace.note(stage, len(batch), monotonic() - began, shared=shared)
        due = monotonic() < until and not tools.drain.asked
        batch = _take(tools, stage, None, tools.pace.jobs(stage, most)) if due else []


def _wait_for_company(tools: Toolbox, stage: Stage, jobs: int) -> None:
    """Only where there is some already: an idle system answers without a pause."""
    wait = tools.settings.batch_wait_ms / 1000
    if wait and 1 < insisted(tools, lambda: tools.jobs.depth(stage)) < jobs:
        sleep(wait)


def _take(
    tools: Toolbox, stage: Stage, job_id: str | None, jobs: int, sent: int | None = None
) -> list[Lease]:
    seconds, worker, bounds = tools.settings.lease_seconds, tools.worker, Bounds(jobs, SIZE)
    taken = insisted(
        tools,
        lambda: tools.jobs.take(
            job_id, stage, lease_seconds=seconds, worker=worker, bounds=bounds, sent=sent
        ),
    )
    for job in taken.given_back:
        send(job)
    if lane_of(stage).company:
        if taken.left is not None:
            send(taken.left)
        if taken.passed_over is not None:
            send(taken.passed_over, apart=True)
    return list(taken.leases)
