"""What was counted of the jobs' work: how long they waited, ran and took, and how attempts and jobs ended.

The counts only grow, from the moment at which Redis was empty. Durations are in seconds.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from math import inf

from rag.model.jobs import JobKind, JobState, Stage

STAGE_LIMITS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
"""Upper limits of the buckets for waits and runs at a stage. Counts in Redis are by them."""

JOB_LIMITS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200)
"""The same for whole jobs, from their submit to their success."""

ANSWER, DOCUMENTS, PASSAGES, FIRST_TOKEN = "answer", "documents", "passages", "first_token"
"""What a job's success adds to: answers by outcome, what was ingested, and the time to an answer's begin."""

SLOT_SECONDS = 5
"""How finely the ends of attempts are counted by time."""

_WINDOWS = (15.0, 60.0, 180.0, inf)
_ENOUGH = 20
"""Seconds that are looked back, and how many ends are enough for a rate."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations by size. ``counts``: one for each of ``limits``, and one of those above the last."""

    limits: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        return sum(self.counts)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Each limit, infinity last, and how many durations are no longer."""
        return zip((*self.limits, inf), accumulate(self.counts), strict=True)

    def quantile(self, share: float) -> float | None:
        """The limit that ``share`` of the durations do not exceed; None without durations."""
        if not self.count:
            return None
        return next(limit for limit, below in self.cumulative() if below >= share * self.count)


@dataclass(frozen=True, slots=True)
class StageStatistics:
    """The attempts at a stage.

    ``waits``: from the moment at which the job was due to the attempt's begin, one for each attempt.
    ``runs``: from its begin to its end, of attempts that ended by themselves: those that were lost,
    cancelled, or given back because the worker ended are not in it. ``retries``: attempts after which
    another is made, by the code of their error. ``recoveries``: attempts that were lost with their worker.
    """

    waits: Histogram
    runs: Histogram
    retries: Mapping[str, int]
    recoveries: int

    @property
    def attempts(self) -> int:
        """How many were begun."""
        return self.waits.count


@dataclass(frozen=True, slots=True)
class JobStatistics:
    """``ended``: how often jobs of a kind ended in a state; one that was run again ended more than once.

    ``seconds``: from submit to success, by kind. ``answers``: questions that succeeded, by outcome.
    ``documents`` and ``passages`` were ingested. ``first_token``: from submit to the begin of an answer that
    was generated.
    """

    stages: Mapping[Stage, StageStatistics]
    ended: Mapping[tuple[JobKind, JobState], int]
    seconds: Mapping[JobKind, Histogram]
    answers: Mapping[str, int]
    documents: int
    passages: int
    first_token: Histogram


@dataclass(frozen=True, slots=True)
class RecentWork:
    """The ends of attempts within the last minutes.

    ``now``: by Redis' clock. ``ends``: for each stage how many there were, by the beginning of the slot of
    SLOT_SECONDS in which they were. ``since``: the beginning of the time that is looked at.
    """

    now: float
    since: float
    ends: Mapping[Stage, Mapping[float, int]] = field(default_factory=dict)

    def per_second(self, stages: Collection[Stage], *, busy_since: float | None = None) -> float | None:
        """How many attempts end in a second at ``stages`` together. None where none ended.

        The shortest of ``_WINDOWS`` with enough ends counts, so that a new pace shows soon. ``busy_since``:
        since when there was always something to do; no earlier time counts. Without it, the time from the
        first end counts, and times without work make the figure too low.
        """
        ends = [(start, count) for stage in stages for start, count in self.ends.get(stage, {}).items()]
        if not ends:
            return None
        first = min(start for start, _ in ends) if busy_since is None else max(self.since, busy_since)
        for seconds in _WINDOWS:
            begin = max(first, self.now - seconds)
            count = sum(each * _share_after(begin, start) for start, each in ends)
            if count >= _ENOUGH or begin == first:
                return count / max(self.now - begin, 1.0) or None
        return None


def _share_after(begin: float, slot: float) -> float:
    """The part of a slot that lies after ``begin``."""
    return min(1.0, max(0.0, (slot + SLOT_SECONDS - begin) / SLOT_SECONDS))
