"""How every stage runs: take the lease, work, hand on – from the job record alone.

A delivery only says that a lane has due work. A stage begins when the record says that the job is due and no
living worker holds it. Its writes carry the lease's token, so an attempt that wakes up late changes nothing.
Jobs at the same stage are worked at the same time (``docs/decisions/0014-jobs-in-company.md``).
"""

import logging
from collections.abc import Callable, Sequence

from rag import tracing
from rag.errors import Transient
from rag.model import Lease, Stage
from rag.subjects import label, named
from tasks.app import LANES, Lane, app
from tasks.company import Batch, BatchItem
from tasks.drain import Drained
from tasks.endings import Ending, conclude, end_early, release
from tasks.lease import kept_alive
from tasks.run import Done, Next, Outcome, Shared, SharedCalls, StageRun, StageWork, Steps, Work
from tasks.spans import traced
from tasks.taking import take_batches
from tasks.toolbox import Toolbox
from tasks.words import Worked, summarize

__all__ = [
    "Done",
    "JobsFailed",
    "Next",
    "Outcome",
    "Shared",
    "SharedCalls",
    "StageRun",
    "Steps",
    "deliver",
    "stage_work",
    "work_batch",
]

log = logging.getLogger(__name__)


class JobsFailed(Exception):  # noqa: N818 - Flower shows this name as what a delivery came to
    """A job of the delivery failed for good; the message tells what became of all its jobs."""


def stage_work(stage: Stage, *, together: bool = False) -> Callable[[Work], Work]:
    """Let the lane's worker do this work at ``stage``.

    ``together``: several jobs are worked at the same time, so that they share the calls that the work yields.
    """

    def register(work: Work) -> Work:
        app.stages[stage] = StageWork(work, together)
        return work

    return register


def deliver(tools: Toolbox, lane: Lane) -> str:
    """Work what is due in ``lane``; which jobs that were and what they came to, for the log and for Flower.

    Raises JobsFailed, with the same text, when one of them failed for good.
    """
    worked: list[Worked] = []
    try:
        for batch in take_batches(tools, lane):
            worked += work_batch(tools, batch)
    except Transient as error:
        log.warning("the records are away, so lane %s goes on later: %s", lane.name, error)
        worked.append(Worked("", f"broken off: {error}"))
    summary = summarize(worked) if worked else "nothing was due"
    if any(each.failed for each in worked):
        raise JobsFailed(summary)
    return summary


def _register_lane(lane: Lane) -> None:
    @app.task(name=lane.task, acks_on_timeout=False, throws=(JobsFailed,))
    def work_lane() -> str:
        return deliver(app.toolbox, lane)

    work_lane.__doc__ = f"A bell: {lane.purpose}."


for each in LANES:
    _register_lane(each)


def work_batch(tools: Toolbox, batch: Sequence[Lease]) -> list[Worked]:
    """Work jobs at one stage. Raises Transient when the records stay away."""
    work = traced(app.stages[batch[0].job.stage].work)
    runs = [StageRun(lease, tools) for lease in batch]
    early = {run.job.id: ending for run in runs if (ending := end_early(run))}
    items = [BatchItem(run, work(run)) for run in runs if run.job.id not in early]
    solo = _work_items(tools, items)
    endings = early | {item.run.job.id: _conclude(item, solo=solo) for item in items}
    questions = tools.settings.questions_logged
    return [
        Worked(run.job.id, ending.text, label(run.job, questions=questions), ending.failed)
        for run in runs
        for ending in [endings[run.job.id]]
    ]


def _work_items(tools: Toolbox, items: Sequence[BatchItem]) -> bool:
    """Work until each job has its end. Of jobs that have none: whether they are to be worked alone next."""
    if not items:
        return False
    try:
        with kept_alive(tools, [item.run for item in items]), tools.drain.interruptible():
            Batch(items).work()
    except Drained:
        return False
    return True


def _conclude(item: BatchItem, *, solo: bool) -> Ending:
    """Write what the work came to. Raises Transient when the records stay away."""
    try:
        with tracing.under(item.run.job):
            return release(item.run, solo=solo) if item.end is None else conclude(item)
    except Transient:
        raise
    except Exception as error:
        job = item.run.job
        log.exception("%s: its end at %s cannot be written", named(job), job.stage)
        return Ending(f"left to the next attempt: {type(error).__name__}")
