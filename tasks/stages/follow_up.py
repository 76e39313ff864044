"""Follow-ups: a worker goes on with a job itself, at its next stage, which belongs to another lane.

A message to the other lane, and its worker's wait for it, take several milliseconds; the next stage of a
question often takes fewer. Only the message goes: the stage is taken, leased, worked, counted and ended as
in its own lane. See ``docs/decisions/0058-fewer-hops.md``.
"""

from collections.abc import Sequence
from time import monotonic

from rag.model import DueStage, Lease
from rag.ports import Bounds
from tasks.lanes import Lane, lane_of
from tasks.publishing.bells import has_bell, try_ring
from tasks.stages.leases import BATCH_SIZE, call_with_retries
from tasks.stages.outcomes import HandedOn
from tasks.toolbox import Toolbox


def follow_up(tools: Toolbox, lane: Lane, handed: Sequence[HandedOn], until: float) -> Sequence[Lease]:
    """Begin what a delivery in ``lane`` goes on with, after its batch was ``handed`` on to next stages.

    A single small job is followed up where this worker may do that, nobody waits in either lane, and
    ``until``, by the monotonic clock, is not over. For all others it rings. A job that stays in the lane is
    left to the delivery. Raises Transient while the records are away.
    """
    if len(handed) == 1 and _may_follow(tools, lane, handed[0], until):
        return _take(tools, handed[0])
    away = {lane_of(each.stage): each for each in handed if lane_of(each.stage) is not lane}
    for other, each in away.items():
        try_ring(other, DueStage(each.stage, each.job.id))
    return ()


def _may_follow(tools: Toolbox, lane: Lane, handed: HandedOn, until: float) -> bool:
    return (
        handed.stage in tools.follow_ups
        and handed.size <= BATCH_SIZE
        and monotonic() < until
        and not tools.drain.asked
        and not has_bell(lane, lane_of(handed.stage))
    )


def _take(tools: Toolbox, handed: HandedOn) -> Sequence[Lease]:
    """Begin the job whose turn it is at the stage, mostly the one that was handed on."""
    stage, seconds, bounds = handed.stage, tools.settings.lease_seconds, Bounds(1, BATCH_SIZE)
    taken = call_with_retries(
        tools, lambda: tools.jobs.take(stage, lease_seconds=seconds, worker=tools.worker, bounds=bounds)
    )
    if taken.left:
        try_ring(lane_of(stage), DueStage(stage, taken.left))
    return taken.leases
