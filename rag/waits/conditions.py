"""What is known of the lanes and their workers at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass

from rag.model import JobStatistics, RecentWork, Stage, StageFigures
from rag.redis.heartbeats import Signs, WorkerSign

USUAL_SHARE, USUAL_TIMES, SHORTEST_USUAL = 0.95, 3.0, 30.0
"""A wait is usual up to three times the one that 95 of 100 do not exceed, and always up to 30 seconds."""

ESTIMATE_ERROR = 0.3
"""The median error of an estimated begin, as a part of the wait that is left: a test measures it."""

_LONG_ENOUGH = 5.0
"""After so many seconds with a queue, the ends of attempts in that time tell how fast it moves."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """``lanes``: the stages of each. ``able``: whether this process can tell workers of jobs."""

    lanes: Mapping[str, tuple[Stage, ...]]
    signs: Signs
    work: RecentWork
    stages: Mapping[Stage, StageFigures]
    statistics: JobStatistics
    able: bool = True

    @property
    def now(self) -> float:
        """The time by Redis' clock, by which all records are."""
        return self.work.now

    def lane_of(self, stage: Stage) -> str:
        return next(lane for lane, stages in self.lanes.items() if stage in stages)

    def workers(self, stage: Stage) -> tuple[WorkerSign, ...]:
        """Those of the stage's lane."""
        return self.signs.lane(self.lane_of(stage))

    def rests(self, stage: Stage) -> bool:
        """Whether a worker of the stage's lane does nothing, and no job of the lane runs."""
        running = sum(self.stages[each].running for each in self.lanes[self.lane_of(stage)])
        return not running and any(sign.hang() is None and sign.busy is None for sign in self.workers(stage))

    def start_at(self, stage: Stage, place: int) -> float | None:
        """When the job at this place of the stage's queue will begin; None while that is not known.

        On average it begins in the middle of the time between two turns.
        """
        rate = self._per_second(stage)
        return self.now + (place - 0.5) / rate if rate else None

    def _per_second(self, stage: Stage) -> float | None:
        """How many jobs of the stage are begun in a second while there is a queue.

        As many as ended while there was one, if it is there for long enough. Else by Little's law as many as
        run at a time, divided by how long they run.
        """
        waited, runs = self.stages[stage].waited, self.statistics.stages[stage].runs
        if waited >= _LONG_ENOUGH and (rate := self.work.per_second([stage], busy_since=self.now - waited)):
            return rate
        if not runs.total:
            return None
        return max(1, self.stages[stage].running) * runs.count / runs.total

    def usual_wait(self, stage: Stage) -> float:
        """Seconds up to which a wait at the stage is nothing unusual, from all waits that were measured."""
        measured = self.statistics.stages[stage].waits
        usual = measured.quantile(USUAL_SHARE) or 0.0
        return max(SHORTEST_USUAL, USUAL_TIMES * min(usual, measured.limits[-1]))
