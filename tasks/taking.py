"""What a delivery works on: batches of the lane's due jobs, for a short while.

A bell means that something is due, so whoever hears it asks the records. Where it leaves a due job behind, it
rings again, before it works, so that a free worker begins at once and no job is forgotten.
"""

from collections import Counter
from collections.abc import Iterator
from time import monotonic, sleep

from rag.model import DueStage, Lease, Stage
from rag.ports import Bounds
from tasks.app import Lane, app
from tasks.bells import try_ring
from tasks.lease import insisted
from tasks.toolbox import Toolbox

SIZE = 64
"""Chunks, or questions, that are worked at the same time: as many as a long document embeds in one call."""

TURN_SECONDS = 1.0
"""After that a delivery begins nothing more, so that a canary is not kept waiting."""

_SHARE = 0.05
"""Part of the lane's time limit that a delivery may have spent on other jobs before it begins one."""


def take_batches(tools: Toolbox, lane: Lane) -> Iterator[list[Lease]]:
    """Take jobs of one stage, to be worked at the same time, one batch after another; none if nothing is due.

    The stages of a lane take turns within a delivery; one that has had no turn yet goes first, then the one
    whose job has waited longest. Raises Transient while the records are away.
    """
    until = monotonic() + min(TURN_SECONDS, _SHARE * lane.limit(tools.settings))
    turns, empty = Counter[Stage](), set[Stage]()
    while due := [each for each in _find_due(tools, lane) if each.stage not in empty]:
        over = turns and (monotonic() > until or not lane.batches)
        if over or tools.drain.asked:
            try_ring(lane, due[0])
            return
        stage = min(due, key=lambda each: turns[each.stage]).stage
        if lane.batches and not turns:
            _wait_for_company(tools, stage)
        batch, left = _take(tools, lane, stage)
        if not batch:  # another worker was faster
            empty.add(stage)
            continue
        others = [DueStage(stage, left)] if left else [each for each in due if each.stage is not stage]
        if others:
            try_ring(lane, others[0])
        turns[stage] += 1
        began = monotonic()
        yield batch
        shared = any(lease.job.owner for lease in batch)
        tools.pace.note(stage, len(batch), monotonic() - began, shared=shared)


def _find_due(tools: Toolbox, lane: Lane) -> list[DueStage]:
    seconds, worker = tools.settings.lease_seconds, tools.worker
    return list(insisted(tools, lambda: tools.jobs.due(lane.stages, lease_seconds=seconds, worker=worker)))


def _most(tools: Toolbox, stage: Stage) -> int:
    return tools.settings.batch_jobs if app.stages[stage].together else 1


def _wait_for_company(tools: Toolbox, stage: Stage) -> None:
    """Wait BATCH_WAIT_MS for further jobs, where there are some already: an idle system answers at once."""
    wait = tools.settings.batch_wait_ms / 1000
    if wait and 1 < insisted(tools, lambda: tools.jobs.depth(stage)) < _most(tools, stage):
        sleep(wait)


def _take(tools: Toolbox, lane: Lane, stage: Stage) -> tuple[list[Lease], str | None]:
    jobs = tools.pace.jobs(stage, _most(tools, stage)) if lane.batches else 1
    taken = insisted(
        tools,
        lambda: tools.jobs.take(
            stage,
            lease_seconds=tools.settings.lease_seconds,
            worker=tools.worker,
            bounds=Bounds(jobs, SIZE),
        ),
    )
    return list(taken.leases), taken.left
