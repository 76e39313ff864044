"""How every stage runs: take the lease, work, hand on – from the job record alone.

A delivery is only a hint. A stage begins when the record says that it is due and nobody
alive holds it; whatever else arrives is dropped. Its writes carry the lease's token, so
an attempt that wakes up late changes nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any

from celery import Task
from celery.exceptions import SoftTimeLimitExceeded

from rag.errors import AegisError, OutOfMemory, Permanent, TimedOut, Transient
from rag.model import Job, JobState, Json, Stage
from rag.settings import Settings
from tasks.app import PUBLISH_ERRORS, app, lane_of, publish, task_name
from tasks.drain import Drained
from tasks.lease import insisted, kept_alive
from tasks.pauses import pause
from tasks.problems import CRASHED, given_up, problem, reason_of
from tasks.remains import leave_clean
from tasks.run import Done, Next, Outcome, StageRun
from tasks.toolbox import Toolbox

__all__ = ["Done", "Next", "Outcome", "StageRun", "perform", "stage_task"]

log = logging.getLogger(__name__)


Work = Callable[[StageRun], Outcome]


def stage_task(stage: Stage) -> Callable[[Work], "Task[[str], str]"]:
    """Make the Celery task of a stage from the function that does its work."""

    def register(work: Work) -> "Task[[str], str]":
        @app.task(name=task_name(stage), acks_on_timeout=False)  # who begins it again counts the attempts
        def run(job_id: str) -> str:
            return perform(app.toolbox, stage, work, job_id)

        run.__doc__ = work.__doc__
        return run

    return register


def perform(tools: Toolbox, stage: Stage, work: Work, job_id: str) -> str:
    """Run one delivery of ``stage``; a word on how it went, for the log and for Flower."""
    try:
        return _performed(tools, stage, work, job_id)
    except Transient as error:
        log.warning("job %s: its record is away, so the sweeper goes on with %s: %s", job_id, stage, error)
        return f"left to the sweeper: {error}"


def _performed(tools: Toolbox, stage: Stage, work: Work, job_id: str) -> str:
    seconds = tools.settings.lease_seconds
    lease = insisted(
        tools, lambda: tools.jobs.begin(job_id, stage, lease_seconds=seconds, worker=tools.worker)
    )
    if lease is None:
        return "dropped: not due"
    run = StageRun(lease, tools)
    if reason := _reason_to_give_up(lease.job, tools.settings):
        return _give_up(run, reason)
    if run.overdue():
        return _fail(run, TimedOut("The job's deadline passed before this stage began"), 0.0)
    return _attempt(run, work)


def _attempt(run: StageRun, work: Work) -> str:
    started = perf_counter()
    try:
        with kept_alive(run.tools, run.lease, run.lost), run.tools.drain.interruptible():
            outcome = work(run)
    except Drained:
        return _released(run)
    except Permanent as error:
        return _fail(run, error, perf_counter() - started)
    except (Transient, SoftTimeLimitExceeded, MemoryError) as error:
        return _try_again(run, _limit_of(error) or error)
    except Exception as error:  # a defect of ours: the job must not be lost for it
        log.exception("job %s: unexpected error in stage %s", run.job.id, run.job.stage)
        return _try_again(run, error)
    return _conclude(run, outcome, perf_counter() - started)


def _limit_of(error: Exception) -> Transient | None:
    """The limit of the worker that ended the work; None for another error."""
    if isinstance(error, MemoryError):
        return OutOfMemory("The stage wanted more than WORKER_MEMORY_MB")
    return TimedOut("The stage took too long") if isinstance(error, SoftTimeLimitExceeded) else None


def _conclude(run: StageRun, outcome: Outcome, seconds: float) -> str:
    jobs = run.tools.jobs
    if isinstance(outcome, Next):
        stage = outcome.stage
        if not insisted(run.tools, lambda: jobs.advance(run.lease, stage, seconds=seconds)):
            return _lost(run)
        return _handed_on(run, stage)
    result = outcome.result(run.job, seconds)
    word = _ended(run, JobState.SUCCEEDED, "succeeded", seconds=seconds, result=result)
    if word == "succeeded":
        _clean_up(run, outcome)
    return word


def _clean_up(run: StageRun, done: Done) -> None:
    """What stays behind here goes when the job is forgotten."""
    try:
        if done.after is not None:
            done.after()
    except Transient as error:
        log.warning("job %s: what it left is removed later: %s", run.job.id, error)


def _handed_on(run: StageRun, stage: Stage) -> str:
    """Publish the next stage, or begin it right here where this very lane does it too."""
    if lane_of(stage) is lane_of(run.job.stage):
        return f"next: {stage}, {app.tasks[task_name(stage)].run(run.job.id)}"
    _publish_again(run, stage)
    return f"next: {stage}"


def _publish_again(run: StageRun, stage: Stage, delay: float = 0.0) -> None:
    """Queue the job as its record now stands; should this fail, the sweeper does it later."""
    attempts = run.job.attempts if stage is run.job.stage else 0
    try:
        publish(replace(run.job, stage=stage, attempts=attempts), delay=delay)
    except PUBLISH_ERRORS as error:
        log.warning("job %s is due at %s but not queued yet, the sweeper will: %s", run.job.id, stage, error)


def _try_again(run: StageRun, error: Exception) -> str:
    """Queue the stage once more, later each time, or give the job up; past its deadline it fails."""
    job, last = run.job, problem(error, run.job)
    if run.overdue():
        late = TimedOut(f"The job's deadline passed in stage {job.stage}: {last['detail']}")
        return _fail(run, late, 0.0)
    if _last_attempt(job, run.tools.settings):
        return _give_up(run, reason_of(last), last)
    delay = pause(job, error)
    if not insisted(run.tools, lambda: run.tools.jobs.requeue(run.lease, error=last, delay=delay)):
        return _lost(run)
    _publish_again(run, job.stage, delay=delay)
    return f"again: {error}"


def _released(run: StageRun) -> str:
    """The worker ends before the stage does, which is nobody's fault."""
    if not run.tools.jobs.release(run.lease):
        return _lost(run)
    _publish_again(run, run.job.stage)
    return "released: the worker ends"


def _fail(run: StageRun, error: AegisError, seconds: float) -> str:
    last = problem(error, run.job)
    return _ended(run, JobState.FAILED, f"failed: {error}", seconds=seconds, error=last)


def _reason_to_give_up(job: Job, settings: Settings) -> str | None:
    """Of a job that was begun once more than it may be."""
    if job.attempts > settings.max_attempts:
        return CRASHED
    return reason_of(job.error) if job.retries > settings.max_retries_per_job else None


def _last_attempt(job: Job, settings: Settings) -> bool:
    return job.attempts >= settings.max_attempts or job.retries >= settings.max_retries_per_job


def _give_up(run: StageRun, reason: str, last: Json | None = None) -> str:
    """``last``: how this attempt ended; None when it was not made."""
    made = run.job.attempts if last else run.job.attempts - 1
    error = given_up(run.job, made, reason, last or run.job.error)
    return _ended(run, JobState.DEAD, f"dead: {reason}", error=error)


def _ended(run: StageRun, state: JobState, word: str, **told: Any) -> str:
    """Write the job's end; ``told`` as ``JobStore.finish`` takes it."""
    if not insisted(run.tools, lambda: run.tools.jobs.finish(run.lease, state, **told)):
        return _lost(run)
    return word


def _lost(run: StageRun) -> str:
    leave_clean(run.tools, run.lease)
    return "lost: the job was cancelled or taken over"
