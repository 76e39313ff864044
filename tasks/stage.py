"""How every stage runs: take the lease, work, hand on – from the job record alone.

A delivery is only a hint. A stage begins when the record says that it is due and nobody
alive holds it; whatever else arrives is dropped. Its writes carry the lease's token, so
an attempt that wakes up late changes nothing. A delivery may go on with other jobs that wait
at the stage (``docs/decisions/0014-jobs-in-company.md``).
"""

import logging
from collections.abc import Callable, Iterable, Sequence

from celery import Task

from rag import tracing
from rag.errors import Transient
from rag.model import Lease, Stage
from rag.subjects import label, named
from tasks.app import app, attempts_at, lane_of, task_name
from tasks.company import Company, Member
from tasks.drain import Drained
from tasks.endings import conclude, ended_early, goes_on_here, release
from tasks.lease import kept_alive
from tasks.run import Done, Next, Outcome, Shared, SharedCalls, StageRun, Steps, Work
from tasks.spans import traced
from tasks.taking import leases
from tasks.toolbox import Toolbox
from tasks.words import told

__all__ = [
    "Done",
    "Next",
    "Outcome",
    "Shared",
    "SharedCalls",
    "StageRun",
    "Steps",
    "perform",
    "stage_task",
]

_NOT_DUE = "dropped: not due"

log = logging.getLogger(__name__)


def stage_task(stage: Stage, *, together: bool = False) -> Callable[[Work], "Task[[str], str]"]:
    """Make the Celery task of a stage from the function that does its work.

    ``together``: several jobs are worked at the same time, so that they share the calls that it yields.
    """

    def register(work: Work) -> "Task[[str], str]":
        # who begins it again counts the attempts
        @app.task(name=task_name(stage), acks_on_timeout=False, bind=True)
        def run(task: "Task[[str], str]", job_id: str, *, here: bool = False) -> str:
            # ``here``: begun by another stage in this process, so the request is of another job's message
            sent = None if here else attempts_at(task.request.id)
            word = perform(app.toolbox, stage, work, job_id, together=together, sent=sent)
            return word if sent is None else _and_first(stage, word)

        run.__doc__ = work.__doc__
        return run

    return register


def _and_first(stage: Stage, word: str) -> str:
    """Let a message of a later stage be a hint for its lane's first one too.

    Messages of single jobs overtake hints, so many of one owner's would keep all others waiting.
    """
    lane = lane_of(stage)
    if stage is lane.stages[0] or not lane.company or app.toolbox.drain.asked:
        return word
    first = app.tasks[task_name(lane.stages[0])].run("", here=True)
    return word if first == _NOT_DUE else f"{word}, {first}"


def perform(  # noqa: PLR0913 - what is delivered, beside what it is worked with
    tools: Toolbox,
    stage: Stage,
    work: Work,
    job_id: str,
    *,
    together: bool = False,
    sent: int | None = None,
) -> str:
    """Run one delivery of ``stage``; a word on how it went with which jobs, for the log and for Flower.

    ``sent``: how often the job had been begun at the stage when the message was sent, where that is known.
    """
    words: list[tuple[str, str]] = []
    try:
        for batch in leases(tools, stage, job_id, together=together, sent=sent):
            words += _performed(tools, batch, work)
    except Transient as error:
        log.warning("job %s: its record is away, so the sweeper goes on with %s: %s", job_id, stage, error)
        words.append((f"left to the sweeper: {error}", ""))
    return told(words) if words else _NOT_DUE


def _performed(tools: Toolbox, batch: Sequence[Lease], work: Work) -> list[tuple[str, str]]:
    """A word on each job of the batch with its label, and on the stage that follows in this lane."""
    runs = [StageRun(lease, tools) for lease in batch]
    over = {run.job.id: word for run in runs if (word := ended_early(run))}
    members = [Member(run, traced(work)(run)) for run in runs if run.job.id not in over]
    apart = _work(tools, members)
    words = {member.run.job.id: _word(member, apart=apart) for member in members}
    questions = tools.settings.questions_logged
    labels = {run.job.id: label(run.job, questions=questions) for run in runs}
    labelled = [(word, labels[job_id]) for job_id, word in (over | words).items()]
    return [*labelled, *((word, "") for word in _gone_on(members, words))]


def _work(tools: Toolbox, members: Sequence[Member]) -> bool:
    """Work until each member has its end. Of one that has none: whether it goes on without company."""
    if not members:
        return False
    try:
        with kept_alive(tools, [member.run for member in members]), tools.drain.interruptible():
            Company(members).work()
    except Drained:
        return False
    return True


def _word(member: Member, *, apart: bool) -> str:
    """Conclude the member's work. Raises Transient when the records stay away."""
    try:
        with tracing.under(member.run.job):
            return release(member.run, apart=apart) if member.end is None else conclude(member)
    except Transient:
        raise
    except Exception as error:
        job = member.run.job
        log.exception("%s: its end at %s cannot be written", named(job), job.stage)
        return f"left to the sweeper: {type(error).__name__}"


def _gone_on(members: Iterable[Member], words: dict[str, str]) -> list[str]:
    """Begin the stages right here that this very lane does too: with one job, and beside it go the others."""
    first = {
        member.end.stage: member.run.job.id
        for member in members
        if isinstance(member.end, Next)
        and goes_on_here(member.run, member.end.stage)
        and words[member.run.job.id].startswith("next")
    }
    return [app.tasks[task_name(stage)].run(job_id, here=True) for stage, job_id in first.items()]
