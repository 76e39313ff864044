"""Leases: which due jobs a delivery takes, how it holds them, and how it reaches the records meanwhile.

A bell means that something is due, so the worker that hears it asks the records. Where it leaves a due job
behind, it rings again before it works. So a free worker begins at once, and no job is forgotten.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic, sleep
from typing import TypeVar

import stamina

from rag.errors import Transient
from rag.jobs.subjects import named
from rag.model import DueStage, Lease, Stage
from rag.ports import Bounds, Taken
from rag.telemetry import tracing
from tasks.app import app
from tasks.lanes import Lane
from tasks.publishing.bells import try_ring
from tasks.stages.run import StageRun
from tasks.toolbox import Toolbox

T = TypeVar("T")

_AWAY_SECONDS = 1.0
"""Between two attempts at most while the records are away: a lease that runs out then has a short grace."""

BATCH_SIZE = 64
"""Chunks, or questions, that are worked at the same time: as many as a long document embeds in one call."""

TURN_SECONDS = 1.0
"""After this time a delivery begins no further batch, so that a canary does not wait long."""

_SHARE = 0.05
"""Part of the lane's time limit that a delivery may have spent on other jobs before it begins one."""

_GENERATING_SECONDS = 0.5  # between renewals: a cancelled generation is to end within a second

log = logging.getLogger(__name__)


def last_begin(tools: Toolbox, lane: Lane) -> float:
    """The time, by the monotonic clock, after which a delivery that begins now begins nothing more."""
    return monotonic() + min(TURN_SECONDS, _SHARE * lane.limit(tools.settings))


def take_batches(tools: Toolbox, lane: Lane, until: float) -> Iterator[list[Lease]]:
    """Take batches of due jobs, one after another, each of one stage. Yields nothing when nothing is due.

    The stages of a lane take turns within a delivery. A stage that has had no turn goes first, then the one
    whose job has waited longest. ``until``: of :func:`last_begin`. Raises Transient while the records are
    away.
    """
    turns, empty, rung = Counter[Stage](), set[Stage](), False
    while len(empty) < len(lane.stages):
        over = turns and (monotonic() > until or not lane.batches)
        # In a lane of one stage, taking tells whether anything is due: a question saves a way to Redis.
        asked = over or tools.drain.asked or len(lane.stages) > 1
        due = [each for each in _find_due(tools, lane.stages) if each.stage not in empty] if asked else []
        if asked and not due:
            return
        if over or tools.drain.asked:
            try_ring(lane, due[0])
            return
        stage = min(due, key=lambda each: turns[each.stage]).stage if due else lane.stages[0]
        taken = _take(tools, lane, stage, wait=not turns)
        if not taken.leases:  # nothing is due, or another worker was faster
            empty.add(stage)
            continue
        left = [DueStage(stage, taken.left)] if taken.left else [e for e in due if e.stage is not stage]
        if left and not rung:
            try_ring(lane, left[0])
            # Whoever hears it rings in turn. Only within a lane are jobs handed on without a bell.
            rung = len(lane.stages) == 1
        turns[stage] += 1
        yield list(taken.leases)
        empty.clear()  # the work may have handed a job on within the lane, and nothing rings for that


def _find_due(tools: Toolbox, stages: Sequence[Stage]) -> Sequence[DueStage]:
    seconds, worker = tools.settings.lease_seconds, tools.worker
    return call_with_retries(tools, lambda: tools.jobs.due(stages, lease_seconds=seconds, worker=worker))


def _take(tools: Toolbox, lane: Lane, stage: Stage, *, wait: bool) -> Taken:
    """Take a batch. ``wait``: wait BATCH_WAIT_MS for more jobs first, if some wait already.

    A single job never waits for others: an idle system answers at once.
    """
    settings, most = tools.settings, 1
    if lane.batches:
        limit = settings.batch_jobs if app.stages[stage].together else 1
        seconds = settings.batch_wait_ms / 1000 if wait else 0.0
        if seconds and 1 < call_with_retries(tools, lambda: tools.jobs.depth(stage)) < limit:
            sleep(seconds)
        most = tools.pace.jobs(stage, limit)
    bounds, lease_seconds = Bounds(most, BATCH_SIZE), settings.lease_seconds
    return call_with_retries(
        tools,
        lambda: tools.jobs.take(stage, lease_seconds=lease_seconds, worker=tools.worker, bounds=bounds),
    )


@contextmanager
def kept_alive(tools: Toolbox, runs: Sequence[StageRun]) -> Iterator[None]:
    """Renew the leases of ``runs``, all at one stage, until the block ends. A lost lease is not renewed."""
    over = Event()
    generating = runs[0].job.stage is Stage.GENERATE
    interval = _GENERATING_SECONDS if generating else tools.settings.lease_seconds / 3

    def renew() -> None:
        pause = interval
        while not over.wait(pause):
            pause = interval
            for run in runs:
                with tracing.under(run.job):
                    try:
                        if not run.cancelled():
                            run.holds()
                    except Transient as error:
                        log.warning("%s: the lease could not be renewed: %s", named(run.job), error)
                        pause = min(_AWAY_SECONDS, interval / 4)

    thread = Thread(target=renew, name=f"lease-{runs[0].job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def call_with_retries(tools: Toolbox, call: Callable[[], T]) -> T:
    """Call the records, again while they are away, for as long as a lease lasts; return the answer.

    So a restart of the broker costs no attempt. Raises the last call's error.
    """
    attempts = stamina.retry_context(
        on=Transient, attempts=None, timeout=tools.settings.lease_seconds, wait_max=2.0
    )
    for attempt in attempts:
        with attempt:
            return call()
    raise AssertionError  # the last attempt returns or raises
