"""How every stage runs: take the lease, work, hand on – from the job record alone.

A delivery is only a hint. A stage begins when the record says that it is due and nobody
alive holds it; whatever else arrives is dropped. Its writes carry the lease's token, so
an attempt that wakes up late changes nothing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from time import perf_counter, time

from celery import Task
from celery.exceptions import SoftTimeLimitExceeded

from rag.errors import AegisError, Permanent, TimedOut, Transient
from rag.model import EventKind, Job, JobState, Json, Lease, Progress, Stage
from tasks.app import app, jittered, lane_of, publish, task_name
from tasks.toolbox import Toolbox

RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Next:
    """The job goes on at ``stage``."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class Done:
    """The job has succeeded. ``result`` may need the job's own times, so it is made from them."""

    result: Callable[[Job, float], Json]


Outcome = Next | Done


@dataclass(frozen=True, slots=True)
class StageRun:
    """One attempt at one stage, as its work sees it."""

    lease: Lease
    tools: Toolbox
    lost: Event = field(default_factory=Event)

    @property
    def job(self) -> Job:
        return self.lease.job

    def cancelled(self) -> bool:
        """Whether the job was cancelled or taken over; asks nobody, so ask it often."""
        return self.lost.is_set()

    def progress(self, done: int, total: int) -> None:
        self._noted(self.tools.jobs.progress(self.lease, Progress(done, total)))

    def token(self, text: str) -> None:
        """Pass a piece of the answer on to whoever listens."""
        self._noted(self.tools.jobs.emit(self.lease, EventKind.TOKEN, {"text": text}))

    def keep(self, name: str, data: bytes) -> None:
        """Leave ``data`` for later stages."""
        self._noted(self.tools.jobs.put_artefact(self.lease, name, data))

    def kept(self, name: str) -> bytes:
        """What an earlier stage left. NotFound when it is gone."""
        return self.tools.jobs.artefact(self.job.id, name)

    def _noted(self, still_ours: bool) -> None:
        if not still_ours:
            self.lost.set()


Work = Callable[[StageRun], Outcome]


def stage_task(stage: Stage) -> Callable[[Work], "Task[[str], str]"]:
    """Make the Celery task of a stage from the function that does its work."""

    def register(work: Work) -> "Task[[str], str]":
        @app.task(name=task_name(stage))
        def run(job_id: str) -> str:
            return perform(app.toolbox, stage, work, job_id)

        run.__doc__ = work.__doc__
        return run

    return register


def perform(tools: Toolbox, stage: Stage, work: Work, job_id: str) -> str:
    """Run one delivery of ``stage``; a word on how it went, for the log and for Flower."""
    lease = tools.jobs.begin(job_id, stage, lease_seconds=tools.settings.lease_seconds)
    if lease is None:
        return "dropped: not due"
    if lease.job.attempts > tools.settings.max_attempts:
        return _give_up(tools, lease, "it was begun too often without an end")
    if lease.job.deadline is not None and time() > lease.job.deadline:
        return _fail(tools, lease, TimedOut("The job's deadline passed before this stage began"), 0.0)
    return _attempt(StageRun(lease, tools), work)


def _attempt(run: StageRun, work: Work) -> str:
    started = perf_counter()
    try:
        with _kept_alive(run):
            outcome = work(run)
    except Permanent as error:
        return _fail(run.tools, run.lease, error, perf_counter() - started)
    except Transient as error:
        return _try_again(run, error)
    except SoftTimeLimitExceeded:
        return _try_again(run, TimedOut("The stage took too long"))
    except Exception as error:  # a defect of ours: the job must not be lost for it
        log.exception("job %s: unexpected error in stage %s", run.job.id, run.job.stage)
        return _try_again(run, error)
    return _conclude(run, outcome, perf_counter() - started)


def _conclude(run: StageRun, outcome: Outcome, seconds: float) -> str:
    jobs = run.tools.jobs
    if isinstance(outcome, Next):
        if not jobs.advance(run.lease, outcome.stage, seconds=seconds):
            return "lost: the job was cancelled or taken over"
        return _handed_on(run, outcome.stage)
    result = outcome.result(run.job, seconds)
    if not jobs.finish(run.lease, JobState.SUCCEEDED, seconds=seconds, result=result):
        return "lost: the job was cancelled or taken over"
    return "succeeded"


def _handed_on(run: StageRun, stage: Stage) -> str:
    """Publish the next stage, or begin it right here where this very lane does it too."""
    if lane_of(stage) is lane_of(run.job.stage):
        return f"next: {stage}, {app.tasks[task_name(stage)].run(run.job.id)}"
    _publish_again(run, stage)
    return f"next: {stage}"


def _publish_again(run: StageRun, stage: Stage, delay: float = 0.0) -> None:
    """Queue the job as its record now stands; should this fail, the sweeper does it later."""
    attempts = run.job.attempts if stage is run.job.stage else 0
    publish(replace(run.job, stage=stage, attempts=attempts), delay=delay)


def _try_again(run: StageRun, error: Exception) -> str:
    """Queue the stage once more, later each time, or give the job up."""
    if run.job.attempts >= run.tools.settings.max_attempts:
        return _give_up(run.tools, run.lease, "every attempt failed", error)
    if not run.tools.jobs.requeue(run.lease, error=problem(error, run.job)):
        return "lost: the job was cancelled or taken over"
    delay = min(LONGEST_RETRY_SECONDS, RETRY_SECONDS * 2 ** (run.job.attempts - 1))
    asked = error.retry_after if isinstance(error, Transient) else None
    _publish_again(run, run.job.stage, delay=max(asked or 0.0, jittered(delay)))
    return f"again: {error}"


def _fail(tools: Toolbox, lease: Lease, error: AegisError, seconds: float) -> str:
    tools.jobs.finish(lease, JobState.FAILED, seconds=seconds, error=problem(error, lease.job))
    return f"failed: {error}"


def _give_up(tools: Toolbox, lease: Lease, why: str, error: Exception | None = None) -> str:
    last = problem(error, lease.job) if error else lease.job.error
    detail = f"Given up after {tools.settings.max_attempts} attempts at stage {lease.job.stage}: {why}"
    if last:
        detail += f". Last error: {last['detail']}"
    tools.jobs.finish(
        lease,
        JobState.DEAD,
        error={
            "type": (last or {}).get("type", "urn:aegis:problem:given-up"),
            "title": "The job was given up",
            "detail": detail,
            "stage": lease.job.stage.value,
            "attempts": tools.settings.max_attempts,
        },
    )
    return f"dead: {why}"


def problem(error: Exception, job: Job) -> Json:
    """The error of a job record, in RFC 9457's members. Unexpected errors tell no internals."""
    kind = type(error) if isinstance(error, AegisError) else AegisError
    unexpected = f"Unexpected {type(error).__name__}; the worker's log has more"
    return {
        "type": f"urn:aegis:problem:{kind.code}",
        "title": kind.title,
        "detail": str(error) if isinstance(error, AegisError) else unexpected,
        "stage": job.stage.value,
        "attempts": job.attempts,
    }


@contextmanager
def _kept_alive(run: StageRun) -> Iterator[None]:
    """Renew the lease while the work runs, and notice when it is lost.

    A cancelled generation shall end within a second, so there the record is asked twice
    a second; elsewhere often enough to keep the lease.
    """
    seconds = run.tools.settings.lease_seconds
    interval = 0.5 if run.job.stage is Stage.GENERATE else seconds / 3
    over = Event()

    def renew() -> None:
        while not over.wait(interval):
            try:
                if not run.tools.jobs.extend(run.lease, lease_seconds=seconds):
                    run.lost.set()
                    return
            except Transient as error:
                log.warning("job %s: the lease could not be renewed: %s", run.job.id, error)

    thread = Thread(target=renew, name=f"lease-{run.job.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
