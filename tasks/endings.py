"""What becomes of a job after an attempt at a stage: it goes on, ends, is tried again or given back."""

import logging
from dataclasses import replace
from time import time
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from rag.errors import AegisError, NoRoom, OutOfMemory, Permanent, TimedOut, Transient
from rag.model import Job, JobState, Json, Stage
from rag.settings import Settings
from rag.subjects import named
from tasks.app import lane_of
from tasks.company import Member
from tasks.lease import insisted
from tasks.messages import send
from tasks.pauses import pause
from tasks.problems import CRASHED, given_up, problem, reason_of
from tasks.remains import leave_clean
from tasks.run import Done, Next, Outcome, StageRun
from tasks.standings import note_standing

_ROOM_SECONDS = 86_400.0

log = logging.getLogger(__name__)


def ended_early(run: StageRun) -> str | None:
    """A word on a job that was not to be begun any more, which is over then; None for any other."""
    if reason := _reason_to_give_up(run.job, run.tools.settings):
        return _give_up(run, reason)
    if run.overdue():
        return _fail(run, TimedOut("The job's deadline passed before this stage began"), 0.0)
    return None


def conclude(member: Member) -> str:
    """Write what the job's work came to, and send its next message; a word on it.

    Raises Transient when the records stay away.
    """
    run, end = member.run, member.end
    match end:
        case None:
            raise ValueError("the work has no end")
        case Permanent():
            return _fail(run, end, member.seconds)
        case Transient() | SoftTimeLimitExceeded() | MemoryError():
            return _try_again(run, _limit_of(end) or end)
        case Exception():  # a defect of ours: the job must not be lost for it
            log.error("%s: unexpected error in stage %s", named(run.job), run.job.stage, exc_info=end)
            return _try_again(run, end)
    return _conclude(run, end, member.seconds)


def release(run: StageRun, *, apart: bool) -> str:
    """The worker ends before the stage does, or had no time for it, which is nobody's fault.

    ``apart``: the next attempt is made without any other job beside it.
    """
    if not run.tools.jobs.release(run.lease, apart=apart):
        return _leave(run)
    send(replace(run.job, attempts=run.job.attempts - 1), apart=apart)
    return "released: to be worked by itself" if apart else "released: the worker ends"


def goes_on_here(run: StageRun, stage: Stage) -> bool:
    """Whether this very lane does the next stage too.

    A stage that goes on as itself does so in slices, between which others get their turn.
    """
    return lane_of(stage) is lane_of(run.job.stage) and stage is not run.job.stage


def _limit_of(error: Exception) -> Transient | None:
    """The limit of the worker that ended the work; None for another error."""
    if isinstance(error, MemoryError):
        return OutOfMemory("The stage wanted more than WORKER_MEMORY_MB")
    return TimedOut("The stage took too long") if isinstance(error, SoftTimeLimitExceeded) else None


def _conclude(run: StageRun, outcome: Outcome, seconds: float) -> str:
    jobs = run.tools.jobs
    if isinstance(outcome, Next):
        stage, size = outcome.stage, outcome.size
        if not insisted(run.tools, lambda: jobs.advance(run.lease, stage, seconds=seconds, size=size)):
            return _leave(run)
        if not goes_on_here(run, stage):
            send(replace(run.job, stage=stage, attempts=0), delay=outcome.rest)
        return f"next: {stage}"
    result = outcome.result(run.job, seconds)
    word = _end(run, JobState.SUCCEEDED, "succeeded", seconds=seconds, result=result)
    if word == "succeeded":
        _clean_up(run, outcome)
    return word


def _clean_up(run: StageRun, done: Done) -> None:
    """What stays behind here goes when the job is forgotten."""
    try:
        if done.after is not None:
            done.after()
    except Transient as error:
        log.warning("%s: what it left is removed later: %s", named(run.job), error)


def _try_again(run: StageRun, error: Exception) -> str:
    """Queue the stage once more, later each time, or give the job up; past its deadline it fails."""
    job, last = run.job, problem(error, run.job)
    if run.overdue():
        late = TimedOut(f"The job's deadline passed in stage {job.stage}: {last['detail']}")
        return _fail(run, late, 0.0)
    waits = _waits_for_room(job, error)
    if not waits and _last_attempt(job, run.tools.settings):
        return _give_up(run, reason_of(last), last)
    delay = pause(job, error)
    jobs = run.tools.jobs
    if not insisted(run.tools, lambda: jobs.requeue(run.lease, error=last, delay=delay, counted=not waits)):
        return _leave(run)
    send(replace(job, attempts=job.attempts - 1) if waits else job, delay=delay)
    return f"again: {error}"


def _waits_for_room(job: Job, error: Exception) -> bool:
    """A full disk is nobody's attempt: its operator makes room. One that keeps filling it for a day is."""
    return isinstance(error, NoRoom) and time() - job.created_at < _ROOM_SECONDS


def _fail(run: StageRun, error: AegisError, seconds: float) -> str:
    last = problem(error, run.job)
    return _end(run, JobState.FAILED, f"failed: {error}", seconds=seconds, error=last)


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
    return _end(run, JobState.DEAD, f"dead: {reason}", error=error)


def _end(run: StageRun, state: JobState, word: str, **told: Any) -> str:
    """Write the job's end; ``told`` as ``JobStore.finish`` takes it."""
    if not insisted(run.tools, lambda: run.tools.jobs.finish(run.lease, state, **told)):
        return _leave(run)
    note_standing(run.tools, run.job, state, result=told.get("result"), error=told.get("error"))
    return word


def _leave(run: StageRun) -> str:
    leave_clean(run.tools, run.lease)
    return "lost: the job was cancelled or taken over"
