"""What becomes of a job after an attempt at a stage: it goes on, ends, is tried again or given back."""

import logging
from dataclasses import dataclass, replace
from time import time
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from rag.errors import AegisError, NoRoom, OutOfMemory, Permanent, TimedOut, Transient
from rag.model import Job, JobState, Json
from rag.settings import Settings
from rag.subjects import named
from tasks.app import lane_of
from tasks.bells import ring_for
from tasks.company import BatchItem
from tasks.lease import insisted
from tasks.pauses import pause
from tasks.problems import CRASHED, given_up, problem, reason_of
from tasks.remains import leave_clean
from tasks.run import Done, Next, Outcome, StageRun
from tasks.standings import note_standing

_ROOM_SECONDS = 86_400.0
"""For as long a job waits for room on a disk, without losing attempts."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """What an attempt came to, in words. ``failed``: whether the job failed for good."""

    text: str
    failed: bool = False


_SUCCEEDED = Ending("succeeded")


def end_early(run: StageRun) -> Ending | None:
    """End a job that is not to be begun any more; None for any other, which is left as it is."""
    if reason := _reason_to_give_up(run.job, run.tools.settings):
        return _give_up(run, reason)
    if run.overdue():
        return _fail(run, TimedOut("The job's deadline passed before this stage began"), 0.0)
    return None


def conclude(item: BatchItem) -> Ending:
    """Write what the job's work came to, and ring where it goes on.

    Raises Transient when the records stay away.
    """
    run, end = item.run, item.end
    match end:
        case None:
            raise ValueError("the work has no end")
        case Permanent():
            return _fail(run, end, item.seconds)
        case Transient() | SoftTimeLimitExceeded() | MemoryError():
            return _try_again(run, _limit_of(end) or end)
        case Exception():  # a defect of ours: the job must not be lost for it
            log.error("%s: unexpected error in stage %s", named(run.job), run.job.stage, exc_info=end)
            return _try_again(run, end)
    return _conclude(run, end, item.seconds)


def release(run: StageRun, *, solo: bool) -> Ending:
    """Give the job back, since the worker ends before the stage does, or had no time for it.

    That counts for no attempt. ``solo``: the next attempt is made without any other job beside it.
    """
    if not run.tools.jobs.release(run.lease, solo=solo):
        return _leave(run)
    return Ending("released: to be worked alone" if solo else "released: the worker ends")


def _limit_of(error: Exception) -> Transient | None:
    """The limit of the worker that ended the work; None for another error."""
    if isinstance(error, MemoryError):
        return OutOfMemory("The stage wanted more than WORKER_MEMORY_MB")
    return TimedOut("The stage took too long") if isinstance(error, SoftTimeLimitExceeded) else None


def _conclude(run: StageRun, outcome: Outcome, seconds: float) -> Ending:
    if isinstance(outcome, Next):
        return _advance(run, outcome, seconds)
    result = outcome.result(run.job, seconds)
    ending = _end(run, JobState.SUCCEEDED, _SUCCEEDED, seconds=seconds, result=result)
    if ending is _SUCCEEDED:
        _clean_up(run, outcome)
    return ending


def _advance(run: StageRun, outcome: Next, seconds: float) -> Ending:
    """Queue the job at its next stage. A delivery goes on with its own lane, so it rings for others only."""
    jobs, stage = run.tools.jobs, outcome.stage
    if not insisted(
        run.tools,
        lambda: jobs.advance(run.lease, stage, seconds=seconds, size=outcome.size, delay=outcome.rest),
    ):
        return _leave(run)
    if outcome.rest or lane_of(stage) is not lane_of(run.job.stage):
        ring_for(replace(run.job, stage=stage), delay=outcome.rest)
    return Ending(f"next: {stage}")


def _clean_up(run: StageRun, done: Done) -> None:
    """What stays behind here goes when the job is forgotten."""
    try:
        if done.after is not None:
            done.after()
    except Transient as error:
        log.warning("%s: what it left is removed later: %s", named(run.job), error)


def _try_again(run: StageRun, error: Exception) -> Ending:
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
    ring_for(job, delay=delay)
    return Ending(f"again: {error}")


def _waits_for_room(job: Job, error: Exception) -> bool:
    """A full disk is nobody's attempt: its operator makes room. One that keeps filling it for a day is."""
    return isinstance(error, NoRoom) and time() - job.created_at < _ROOM_SECONDS


def _fail(run: StageRun, error: AegisError, seconds: float) -> Ending:
    last = problem(error, run.job)
    ending = Ending(f"failed: {error}", failed=True)
    return _end(run, JobState.FAILED, ending, seconds=seconds, error=last)


def _reason_to_give_up(job: Job, settings: Settings) -> str | None:
    """Of a job that was begun once more than it may be."""
    if job.attempts > settings.max_attempts:
        return CRASHED
    return reason_of(job.error) if job.retries > settings.max_retries_per_job else None


def _last_attempt(job: Job, settings: Settings) -> bool:
    return job.attempts >= settings.max_attempts or job.retries >= settings.max_retries_per_job


def _give_up(run: StageRun, reason: str, last: Json | None = None) -> Ending:
    """``last``: how this attempt ended; None when it was not made."""
    made = run.job.attempts if last else run.job.attempts - 1
    error = given_up(run.job, made, reason, last or run.job.error)
    return _end(run, JobState.DEAD, Ending(f"dead: {reason}", failed=True), error=error)


def _end(run: StageRun, state: JobState, ending: Ending, **told: Any) -> Ending:
    """Write the job's end; ``told`` as ``JobStore.finish`` takes it."""
    if not insisted(run.tools, lambda: run.tools.jobs.finish(run.lease, state, **told)):
        return _leave(run)
    note_standing(run.tools, run.job, state, result=told.get("result"), error=told.get("error"))
    return ending


def _leave(run: StageRun) -> Ending:
    leave_clean(run.tools, run.lease)
    return Ending("lost: the job was cancelled or taken over")
