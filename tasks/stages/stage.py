"""How every stage runs: take the lease, work, hand on – from the job record alone.

A delivery only says that a lane has due work. A stage begins when the record says that the job is due and no
living worker holds it. Its writes carry the lease's token, so an attempt that wakes up late changes nothing.
Jobs at the same stage are worked at the same time (``docs/decisions/0014-batches-and-bells.md``).
"""

import logging
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from time import monotonic

from rag.errors import AegisError, Transient
from rag.jobs.subjects import label, named
from rag.model import Lease, Stage
from rag.system.log_context import add_log_fields
from rag.telemetry import tracing
from tasks.app import StageWork, app
from tasks.lanes import LANES, Lane, lane_of
from tasks.stages.batch import Batch, BatchItem
from tasks.stages.follow_up import follow_up
from tasks.stages.leases import kept_alive, last_begin, take_batches
from tasks.stages.outcomes import Ending, HandedOn, conclude, end_early, release
from tasks.stages.run import Done, Next, Outcome, Shared, SharedCalls, StageRun, Steps, Work
from tasks.toolbox import Drained, Toolbox

__all__ = [
    "Done",
    "JobsFailed",
    "Next",
    "Outcome",
    "Shared",
    "SharedCalls",
    "StageRun",
    "Steps",
    "Worked",
    "deliver",
    "stage_work",
    "summarize",
    "traced",
    "work_batch",
]

_OUTCOME = "aegis.outcome"

_LABELLED = 3
"""Jobs of one ending that a summary shows with their subjects, so that the line stays short."""

_NAMED = 16
"""Jobs of one ending that a summary shows by their ids."""

log = logging.getLogger(__name__)


class JobsFailed(Exception):  # noqa: N818 - Flower shows this name as the result of a delivery
    """A job of the delivery failed for good; the message tells how all its jobs ended."""


@dataclass(frozen=True, slots=True)
class Worked:
    """A job that a delivery worked: how the attempt ended, and what the job is about.

    ``failed``: whether the job failed for good. ``next``: where it goes on at once.
    """

    job_id: str
    ending: str
    label: str = ""
    failed: bool = False
    next: HandedOn | None = None


def stage_work(stage: Stage, *, together: bool = False) -> Callable[[Work], Work]:
    """Register the decorated function as the work of ``stage``.

    ``together``: several jobs are worked at the same time, so that they share the calls that the work yields.
    """

    def register(work: Work) -> Work:
        app.stages[stage] = StageWork(work, together)
        return work

    return register


def deliver(tools: Toolbox, lane: Lane) -> str:
    """Work what is due in ``lane``. Returns which jobs were worked and how they ended, for log and Flower.

    A job that goes on in another lane is followed up there where :func:`follow_up` allows it. Raises
    JobsFailed, with the same text, when one of the jobs failed for good.
    """
    worked: list[Worked] = []
    until = last_begin(tools, lane)
    try:
        for batch in take_batches(tools, lane, until):
            leases: Sequence[Lease] = batch
            while leases:
                done = work_batch(tools, leases)
                worked += done
                leases = follow_up(tools, lane, [each.next for each in done if each.next], until)
    except Transient as error:
        log.warning("the records are away, so lane %s goes on later: %s", lane.name, error)
        worked.append(Worked("", f"broken off: {error.for_logs}"))
    summary = summarize(worked) if worked else "nothing was due"
    if any(each.failed for each in worked):
        raise JobsFailed(summary)
    return summary


def summarize(worked: Iterable[Worked]) -> str:
    """One line: each ending once, with the ids of its jobs and the subjects of the first ones."""
    endings = dict[str, list[Worked]]()
    for each in worked:
        endings.setdefault(each.ending, []).append(each)
    parts = []
    for ending, jobs in endings.items():
        counted = f"{len(jobs)} × {ending}" if len(jobs) > 1 else ending
        shown = [" ".join(filter(None, (job.job_id, job.label))) for job in jobs[:_LABELLED]]
        shown += [job.job_id for job in jobs[_LABELLED:_NAMED]]
        more = [f"{len(jobs) - _NAMED} more"] if len(jobs) > _NAMED else []
        parts.append(f"{counted} ({'; '.join([*shown, *more])})" if any(shown) else counted)
    return ", ".join(parts)


def _register_lane(lane: Lane) -> None:
    """Make the Celery task of ``lane``. It is a function, so that each task binds a lane of its own."""

    @app.task(name=lane.task, acks_on_timeout=False, throws=(JobsFailed,))
    def work_lane(*_: object, **__: object) -> str:
        with add_log_fields(lane=lane.name):
            return deliver(app.toolbox, lane)

    work_lane.__doc__ = f"A bell: {lane.purpose}."


for each in LANES:
    _register_lane(each)


def work_batch(tools: Toolbox, batch: Sequence[Lease]) -> list[Worked]:
    """Work jobs at one stage. Raises Transient when the records stay away."""
    began, stage = monotonic(), batch[0].job.stage
    work = traced(app.stages[stage].work)
    runs = [StageRun(lease, tools) for lease in batch]
    endings = {run.job.id: ending for run in runs if (ending := end_early(run))}
    items = [BatchItem(run, work(run)) for run in runs if run.job.id not in endings]
    solo = _work_items(tools, items)
    # of one job alone, the end is written before anything that a new attempt would need is removed
    with tools.jobs.finish_together() if len(items) > 1 else nullcontext():
        for item in items:
            endings[item.run.job.id] = _conclude(item, solo=solo)
    questions, worked = tools.settings.log_questions, []
    for job in (run.job for run in runs):
        ending = endings[job.id]
        shown = label(job, questions=questions)
        worked.append(Worked(job.id, ending.text, shown, ending.failed, ending.next))
    shared = any(lease.job.owner for lease in batch)
    tools.pace.note(stage, len(batch), monotonic() - began, shared=shared)
    return worked


def _work_items(tools: Toolbox, items: Sequence[BatchItem]) -> bool:
    """Work until each job has an end. Returns whether jobs without an end must be worked alone next.

    They must not when the worker ends: then their neighbours have nothing to do with it.
    """
    if not items:
        return False
    try:
        with kept_alive(tools, [item.run for item in items]), tools.drain.interruptible():
            Batch(items).work()
    except Drained:
        return False
    return True


def _conclude(item: BatchItem, *, solo: bool) -> Ending:
    """Write how the work ended. Raises Transient when the records stay away."""
    try:
        with tracing.under(item.run.job):
            ending = release(item.run, solo=solo) if item.end is None else conclude(item)
            log.info("stage %s: %s", item.run.job.stage, ending.text)
            return ending
    except Transient:
        raise
    except Exception as error:  # one job's end must not cost the others of the batch theirs
        job = item.run.job
        log.exception("%s: its end at %s cannot be written", named(job), job.stage)
        return Ending(f"left to the next attempt: {type(error).__name__}")


def traced(work: Work) -> Callable[[StageRun], Steps]:
    """``work`` within a span. The span's outcome is "next: STAGE", "done", "released", or an error's code.

    Each job's steps must run in a context of their own.
    """

    @wraps(work)
    def run_traced(run: StageRun) -> Steps:
        lane = lane_of(run.job.stage).name
        tracing.record_wait(run.job, lane, run.taken_at)
        with tracing.attempted(run.job, lane) as span:
            try:
                made = work(run)
                outcome = (yield from made) if isinstance(made, Generator) else made
            except (Drained, GeneratorExit):
                span.set_attribute(_OUTCOME, "released")
                raise
            except BaseException as error:
                code = error.code if isinstance(error, AegisError) else type(error).__name__
                span.set_attribute(_OUTCOME, code)
                raise
            span.set_attribute(_OUTCOME, f"next: {outcome.stage}" if isinstance(outcome, Next) else "done")
            return outcome

    return run_traced
