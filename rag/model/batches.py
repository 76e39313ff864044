"""Batches: documents that were submitted together."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag.model.jobs import JobState
from rag.model.values import Json


@dataclass(frozen=True, slots=True)
class Batch:
    """The record of a batch. ``answer``: what the submit was answered with; None until it was, and after the
    record was restored from its jobs alone.

    ``collections``: of its documents. ``accepted``: how many jobs it had.
    """

    id: str
    owner: str = ""
    created_at: float = 0.0
    collections: tuple[str, ...] = ()
    accepted: int = 0
    answer: Json | None = None


@dataclass(frozen=True, slots=True)
class BatchStanding:
    """How the jobs of a batch stand. ``states``: how many are in each state.

    ``forgotten``: how many have no record any more, since they ended long ago. ``failed``: ids of the first
    ones that failed or are dead.
    """

    states: Mapping[JobState, int]
    forgotten: int = 0
    failed: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.states.values()) + self.forgotten

    @property
    def still_open(self) -> int:
        return self.states.get(JobState.QUEUED, 0) + self.states.get(JobState.RUNNING, 0)

    @property
    def state(self) -> JobState:
        """That of the whole: it is over with its last job, and as good as its worst one."""
        waiting, running = self.states.get(JobState.QUEUED, 0), self.states.get(JobState.RUNNING, 0)
        if waiting and waiting == self.total:
            return JobState.QUEUED
        if waiting or running:
            return JobState.RUNNING
        worst = (JobState.DEAD, JobState.FAILED, JobState.CANCELLED)
        return next((state for state in worst if self.states.get(state)), JobState.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What all jobs of a batch have in common. ``most_open``: as for ``JobStore.accept``; None: no limit."""

    batch_id: str
    owner: str = ""
    trace: str | None = None
    most_open: int | None = None
