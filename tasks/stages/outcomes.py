"""Outcomes: what happens to a job after an attempt at a stage. It goes on, ends, is retried or given back.

The errors of job records, with the members of RFC 9457.
"""

import logging
from dataclasses import dataclass, replace
from time import time
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from rag.errors import AegisError, NoRoom, OutOfMemory, Permanent, TimedOut, Transient
from rag.jobs.subjects import named
from rag.model import ABOUT_BACKUPS, Job, JobKind, JobState, Json, Stage
from tasks.app import jittered
from tasks.documents.leftovers import leave_clean
from tasks.publishing.bells import ring_for
from tasks.stages.batch import BatchItem
from tasks.stages.leases import call_with_retries
from tasks.stages.run import Next, Outcome, StageRun
from tasks.stages.tally import tally_of
from tasks.toolbox import Toolbox

CRASHED = "crashed"
"""The reason of a job whose stage was begun too often and never ended."""

_TYPE = "urn:aegis:problem:"
_LONGEST_DETAIL = 2_000


def problem(error: Exception, job: Job) -> Json:
    """The error of an attempt. The text of an unexpected one reveals no internals."""
    kind = type(error) if isinstance(error, AegisError) else AegisError
    unexpected = f"Unexpected {type(error).__name__}; the worker's log has more"
    detail = str(error) if isinstance(error, AegisError) else unexpected
    return _members(job, job.attempts, kind.code, kind.title, detail)


def given_up(job: Job, attempts: int, reason: str, last: Json | None) -> Json:
    """The error of a job that dies after ``attempts`` at its stage. ``last``: the error of one of them."""
    detail = f"Given up after {attempts} attempts at stage {job.stage} and {job.retries} retries in all"
    if reason == CRASHED:
        detail += ": its worker did not survive it"
    if last:
        detail += f". Last error: {last['detail']}"
    return _members(job, attempts, reason, "The job was given up", detail)


def reason_of(error: Json | None) -> str:
    """The class of an error, a code of ``rag.errors``; "crashed" without one."""
    return str(error["type"]).removeprefix(_TYPE) if error else CRASHED


def _members(job: Job, attempts: int, code: str, title: str, detail: str) -> Json:
    return {
        "type": f"{_TYPE}{code}",
        "title": title,
        "detail": detail[:_LONGEST_DETAIL],
        "stage": job.stage.value,
        "attempts": attempts,
    }


LONGEST_SECONDS = 60.0
LONGEST_ASKED_SECONDS = 300.0
"""The longest pause for a server that names the time to come back."""

_ROOM_SECONDS = 86_400.0
"""How long a job waits for room on a disk without losing attempts."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HandedOn:
    """A job that is due at its next stage. ``size``: how much there is to do there, such as its chunks."""

    job: Job
    stage: Stage
    size: int


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, in words. ``failed``: whether the job failed for good.

    ``next``: where the job goes on at once. Nobody was told of it yet.
    """

    text: str
    failed: bool = False
    next: HandedOn | None = None


def pause(job: Job, error: Exception) -> float:
    """Seconds until the next attempt: as the failing server asked, or longer from attempt to attempt."""
    asked = error.retry_after if isinstance(error, Transient) else None
    # Bulk work pauses longer, so that its attempts outlast the restart of a service that is away.
    first, growth = (2.0, 2.0) if job.kind is JobKind.QUERY else (10.0, 3.0)
    seconds = min(LONGEST_SECONDS, first * growth ** (job.attempts - 1))
    return min(LONGEST_ASKED_SECONDS, max(asked or 0.0, jittered(seconds)))


def end_early(run: StageRun) -> Ending | None:
    """End a job that must not be begun any more. None for any other job, which is left as it is."""
    job, settings = run.job, run.tools.settings
    if job.attempts > settings.max_attempts:  # its worker died in each of them
        return _give_up(run, CRASHED)
    if job.retries > settings.max_retries_per_job:
        return _give_up(run, reason_of(job.error))
    if run.overdue():
        return _fail(run, TimedOut("The job's deadline passed before this stage began"), 0.0)
    return None


def conclude(item: BatchItem) -> Ending:
    """Write how the job's work ended, and ring where it is due after a pause.

    Raises Transient when the records stay away.
    """
    run, end = item.run, item.end
    match end:
        case None:
            raise ValueError("the work has no end")
        case Permanent():
            return _fail(run, end, item.seconds)
        case Transient():
            return _try_again(run, end)
        case SoftTimeLimitExceeded():
            return _try_again(run, TimedOut("The stage took too long"))
        case MemoryError():
            return _try_again(run, OutOfMemory("The stage wanted more than WORKER_MEMORY_MB"))
        case Exception():  # a defect of ours: the job must not be lost for it
            log.error("%s: unexpected error in stage %s", named(run.job), run.job.stage, exc_info=end)
            return _try_again(run, end)
    return _hand_on(run, end, item.seconds)


def release(run: StageRun, *, solo: bool) -> Ending:
    """Give the job back, because the worker ends before the stage does, or had no time for it.

    That does not count as an attempt. ``solo``: the next attempt is made with no other job beside it.
    """
    if not run.tools.jobs.release(run.lease, solo=solo):
        return _leave(run)
    return Ending("released: to be worked alone" if solo else "released: the worker ends")


def _hand_on(run: StageRun, outcome: Outcome, seconds: float) -> Ending:
    """Queue the job at its next stage, or end it as succeeded and clean up after it."""
    if isinstance(outcome, Next):
        return _advance(run, outcome, seconds)
    succeeded = Ending("succeeded")
    result = outcome.result(run.job, seconds)
    tally = tally_of(run.job, result, outcome.first_token)
    ending = _end(run, JobState.SUCCEEDED, succeeded, seconds=seconds, result=result, tally=tally)
    if ending is succeeded and outcome.after is not None:
        try:
            outcome.after()
        except Transient as error:  # what stays behind goes when the job is forgotten
            log.warning("%s: what it left is removed later: %s", named(run.job), error)
    return ending


def _advance(run: StageRun, outcome: Next, seconds: float) -> Ending:
    jobs, stage, rest, why = run.tools.jobs, outcome.stage, outcome.rest, outcome.why
    told: dict[str, Any] = {"waits_for": why} if isinstance(why, str) else {"error": problem(why, run.job)}
    told |= {"seconds": seconds, "size": outcome.size, "delay": rest, "saves": outcome.saves}
    if not call_with_retries(run.tools, lambda: jobs.advance(run.lease, stage, **told)):
        return _leave(run)
    if rest:
        ring_for(replace(run.job, stage=stage), delay=rest)
        return Ending(f"next: {stage}")
    return Ending(f"next: {stage}", next=HandedOn(run.job, stage, outcome.size))


def _try_again(run: StageRun, error: Exception) -> Ending:
    """Queue the stage once more, after a longer pause each time, or give the job up.

    A job that is past its deadline fails.
    """
    job, tools, last = run.job, run.tools, problem(error, run.job)
    if run.overdue():
        late = TimedOut(f"The job's deadline passed in stage {job.stage}: {last['detail']}")
        return _fail(run, late, 0.0)
    # A full disk counts for no attempt: its operator makes room. A job that fills it for a day does count.
    counted = not isinstance(error, NoRoom) or time() - job.created_at >= _ROOM_SECONDS
    attempts, retries = tools.settings.max_attempts, tools.settings.max_retries_per_job
    if counted and (job.attempts >= attempts or job.retries >= retries):
        return _give_up(run, reason_of(last), last)
    delay = pause(job, error)
    if not call_with_retries(
        tools, lambda: tools.jobs.requeue(run.lease, error=last, delay=delay, counted=counted)
    ):
        return _leave(run)
    ring_for(job, delay=delay)
    return Ending(f"again: {_for_logs(error)}")


def _for_logs(error: Exception) -> str:
    return error.for_logs if isinstance(error, AegisError) else f"unexpected {type(error).__name__}"


def _fail(run: StageRun, error: AegisError, seconds: float) -> Ending:
    ending = Ending(f"failed: {error.for_logs}", failed=True)
    return _end(run, JobState.FAILED, ending, seconds=seconds, error=problem(error, run.job))


def _give_up(run: StageRun, reason: str, last: Json | None = None) -> Ending:
    """End the job as dead. ``last``: the error of this attempt; None when it was not made."""
    made = run.job.attempts if last else run.job.attempts - 1
    error = given_up(run.job, made, reason, last or run.job.error)
    return _end(run, JobState.DEAD, Ending(f"dead: {reason}", failed=True), error=error)


def _end(run: StageRun, state: JobState, ending: Ending, **told: Any) -> Ending:
    """Write the job's end; ``told`` as ``JobStore.finish`` takes it. Returns ``ending`` if it was written."""
    if not call_with_retries(run.tools, lambda: run.tools.jobs.finish(run.lease, state, **told)):
        return _leave(run)
    note_backup_status(run.tools, run.job, state, result=told.get("result"), error=told.get("error"))
    return ending


def _leave(run: StageRun) -> Ending:
    leave_clean(run.tools, run.lease)
    return Ending("lost: the job was cancelled or taken over")


def note_backup_status(
    tools: Toolbox, job: Job, state: JobState, *, result: Json | None = None, error: Json | None = None
) -> None:
    """Note how a job about backups ended, for the backups' status. Does nothing for any other job.

    ``reason`` in the note is the class of the error, a code of ``rag.errors``.
    """
    if job.kind not in ABOUT_BACKUPS or state is JobState.CANCELLED:
        return
    now = time()
    note: Json = {name: job.inputs[name] for name in ("mode", "trigger") if name in job.inputs}
    note |= result or {}
    if error:
        note |= {"error": error["detail"], "reason": reason_of(error)}
    note |= {
        "at": now,
        "job": job.id,
        "backup": job.id if job.kind is JobKind.BACKUP else job.inputs.get("backup", ""),
        "ok": state is JobState.SUCCEEDED,
        "seconds": round(now - (job.started_at or job.created_at), 3),
    }
    try:
        tools.backup_status.note(job.kind, note)
    except Transient as away:
        log.warning("%s: how it ended cannot be shown: %s", named(job), away)
