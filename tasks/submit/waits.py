"""Why jobs wait, as the API tells it, and what can be done safely about it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Lock
from time import monotonic

from rag.errors import Transient
from rag.model import DueStage, Job, Wait, WaitReason
from rag.ports import JobStore
from rag.redis.heartbeats import Heartbeats
from rag.waits.conditions import Conditions
from rag.waits.diagnosis import wait_of
from rag.waits.stuck import StuckGroup, WaitingJob, group_stuck, waiting_jobs
from tasks.app import app
from tasks.lanes import LANES, lane_of
from tasks.publishing.bells import ring

_FRESH_SECONDS = 1.0

MOST = 100
"""Jobs of each stage that are looked at: those that have been queued longest."""

_SWEEP = "aegis.maintenance.sweep"
_UNTOLD = (WaitReason.BELL, WaitReason.BROKER)
_LATE = (WaitReason.DEADLINE, WaitReason.BEAT)
_READS_ONLY = "The broker takes no writes now, so nothing goes on: `aegis doctor` says why"


class Waits:
    """``able``: whether this process can tell workers of jobs. Safe for threads."""

    def __init__(self, jobs: JobStore, heartbeats: Heartbeats, able: Callable[[], bool]) -> None:
        self._jobs = jobs
        self._heartbeats = heartbeats
        self._able = able
        self._lock = Lock()
        self._read_at = float("-inf")
        self._found: Conditions | Transient | None = None

    def wait_of(self, job: Job) -> Wait | None:
        """Why the job does not go on; None when it is over, or worked. Raises nothing."""
        if job.state.final:
            return None
        try:
            return wait_of(job, self._recent())
        except Transient:  # the record could be read, so what fails is a write
            return Wait(WaitReason.BROKER, _READS_ONLY, job.queued_at)

    def stuck(self) -> list[StuckGroup]:
        """The jobs that wait longer than is usual, by reason. Raises Transient."""
        return group_stuck(self._jobs.longest_waiting(limit=MOST), self._read())

    def unstick(self) -> list[str]:
        """Do what can neither lose nor double work, and return what was done, a line each.

        Jobs whose worker is gone are given to another one, workers are told of due jobs again, and jobs past
        their deadline are ended. Raises Transient, PUBLISH_ERRORS.
        """
        waiting = waiting_jobs(self._jobs.longest_waiting(limit=MOST), self._read())
        return [*self._give_up_leases(waiting), *_ring_again(waiting), *_sweep_late(waiting)]

    def _give_up_leases(self, waiting: list[WaitingJob]) -> Iterator[str]:
        for each in waiting:
            job, lane = each.job, lane_of(each.job.stage)
            # without a worker that could take it over, the lease may as well run out
            if each.wait.reason is WaitReason.WORKER_GONE and each.wait.until and self._jobs.abandon(job):
                ring(lane, DueStage(job.stage, job.id))
                yield f"job {job.id}: its worker is gone, so another one of lane {lane.name} takes it over"

    def _recent(self) -> Conditions:
        """The conditions of a second ago at most, with the time as it is now. Raises Transient.

        An error is kept for as long, so that callers do not wait for one another's time-outs.
        """
        with self._lock:
            if self._found is None or monotonic() - self._read_at > _FRESH_SECONDS:
                self._found = self._try_to_read()
                self._read_at = monotonic()
            found, age = self._found, monotonic() - self._read_at
        if isinstance(found, Transient):
            raise found
        return replace(found, work=replace(found.work, now=found.now + age))

    def _try_to_read(self) -> Conditions | Transient:
        try:
            return self._read()
        except Transient as error:
            return error

    def _read(self) -> Conditions:
        return Conditions(
            lanes={lane.name: lane.stages for lane in LANES},
            signs=self._heartbeats.read_signs(),
            work=self._jobs.recent_work(),
            stages=self._jobs.figures().stages,
            statistics=self._jobs.statistics(),
            able=self._able(),
        )


def _ring_again(waiting: list[WaitingJob]) -> Iterator[str]:
    told = set[str]()
    for job in (each.job for each in waiting if each.wait.reason in _UNTOLD):
        lane = lane_of(job.stage)
        if lane.name not in told:
            told.add(lane.name)
            ring(lane, DueStage(job.stage, job.id))
            yield f"lane {lane.name}: its workers were told again that jobs are due"


def _sweep_late(waiting: list[WaitingJob]) -> Iterator[str]:
    if any(each.wait.reason in _LATE for each in waiting):
        app.send_task(_SWEEP)
        yield "lane maintenance: it was asked to end the jobs whose deadline has passed"
