"""What the scripts counted of the jobs' work, as ``jobs.lua`` stores it."""

from collections import Counter, defaultdict
from typing import cast

from rag.jobs.scripts import JobScripts
from rag.model import Histogram, JobKind, JobState, JobStatistics, RecentWork, Stage, StageStatistics
from rag.model.statistics import (
    ANSWER,
    DOCUMENTS,
    FIRST_TOKEN,
    JOB_LIMITS,
    PASSAGES,
    SLOT_SECONDS,
    STAGE_LIMITS,
)
from rag.redis.connection import PREFIX, reaching_redis

_KEY = f"{PREFIX}statistics"
_MINUTES = 6
"""Looked at for recent work; Redis forgets earlier ones."""


class Statistics(JobScripts):
    """Counts are written in the same step as the records that they are about."""

    def statistics(self) -> JobStatistics:
        with reaching_redis():
            found = cast(dict[bytes, bytes], self._client.hgetall(_KEY))
        counts = Counter({name.decode(): int(count) for name, count in found.items()})
        return JobStatistics(
            stages={stage: _of_stage(counts, stage) for stage in Stage},
            ended={(kind, state): counts[f"end:{kind}:{state}"] for kind in JobKind for state in _FINAL},
            seconds={kind: _histogram(counts, f"job:{kind}", JOB_LIMITS) for kind in JobKind},
            answers={name: counts[f"{ANSWER}:{name}"] for name in ("answered", "not_found", "cached")},
            documents=counts[DOCUMENTS],
            passages=counts[PASSAGES],
            first_token=_histogram(counts, FIRST_TOKEN, JOB_LIMITS),
        )

    def recent_work(self) -> RecentWork:
        now, *minutes = self._scripts.run("worked", [PREFIX], "", _MINUTES)
        ends: dict[Stage, dict[float, int]] = defaultdict(dict)
        for minute, pairs in minutes:
            for name, count in zip(pairs[::2], pairs[1::2], strict=True):
                stage, _, slot = name.decode().partition(" ")
                ends[Stage(stage)][60.0 * minute + SLOT_SECONDS * int(slot)] = int(count)
        return RecentWork(now=float(now), since=60.0 * min(minute for minute, _ in minutes), ends=ends)


_FINAL = tuple(state for state in JobState if state.final)


def _of_stage(counts: Counter[str], stage: Stage) -> StageStatistics:
    retries = f"retry:{stage}:"
    return StageStatistics(
        waits=_histogram(counts, f"wait:{stage}", STAGE_LIMITS),
        runs=_histogram(counts, f"run:{stage}", STAGE_LIMITS),
        retries={
            name.removeprefix(retries): count for name, count in counts.items() if name.startswith(retries)
        },
        recoveries=counts[f"recovery:{stage}"],
    )


def _histogram(counts: Counter[str], name: str, limits: tuple[float, ...]) -> Histogram:
    buckets = tuple(counts[f"{name}:{bucket}"] for bucket in range(1, len(limits) + 2))
    return Histogram(limits, buckets, counts[f"{name}:us"] / 1_000_000)
