"""What is counted of a job that succeeded, beside its end: its answer, or what it ingested.

The record's store adds the counts in the step that writes the end, so that each job is counted once.
"""

from bisect import bisect_left
from collections.abc import Mapping

from rag.model import Job, JobKind, Json
from rag.model.statistics import ANSWER, DOCUMENTS, FIRST_TOKEN, JOB_LIMITS, PASSAGES


def tally_of(job: Job, result: Json, first_token: float | None = None) -> Mapping[str, int]:
    """The counts of the job's success. ``first_token``: seconds from its submit to the answer's begin."""
    match job.kind:
        case JobKind.QUERY:
            seconds = {} if first_token is None else _duration(FIRST_TOKEN, first_token)
            return {f"{ANSWER}:{_outcome_of(result)}": 1, **seconds}
        case JobKind.INGEST if not (result.get("unchanged") or result.get("superseded")):
            return {DOCUMENTS: 1, PASSAGES: int(result.get("chunks", 0))}
    return {}


def _outcome_of(result: Json) -> str:
    if result.get("cached"):
        return "cached"
    found = result.get("hits") if result.get("answer") is None else result.get("citations")
    return "answered" if found else "not_found"


def _duration(name: str, seconds: float) -> Mapping[str, int]:
    """The counts of a duration in a histogram, as ``jobs.lua`` counts those of jobs."""
    bucket = 1 + bisect_left(JOB_LIMITS, seconds)
    return {f"{name}:{bucket}": 1, f"{name}:us": int(seconds * 1_000_000)}
