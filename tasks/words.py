"""What a delivery came to, in a line for the worker's log and for Flower."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LABELLED = 3
"""Jobs of one ending that are told with their subjects, so that a line stays short."""

_NAMED = 16
"""Jobs of one ending that are told by their ids."""


@dataclass(frozen=True, slots=True)
class Worked:
    """A job that a delivery worked: how the attempt ended, and what the job is about.

    ``failed``: whether the job failed for good.
    """

    job_id: str
    ending: str
    label: str = ""
    failed: bool = False


def summarize(worked: Iterable[Worked]) -> str:
    """Each ending once, with the ids of its jobs and the subjects of the first ones."""
    endings = dict[str, list[Worked]]()
    for each in worked:
        endings.setdefault(each.ending, []).append(each)
    return ", ".join(_summarize_ending(ending, jobs) for ending, jobs in endings.items())


def _summarize_ending(ending: str, jobs: Sequence[Worked]) -> str:
    counted = f"{len(jobs)} × {ending}" if len(jobs) > 1 else ending
    named = [" ".join(filter(None, (job.job_id, job.label))) for job in jobs[:_LABELLED]]
    named += [job.job_id for job in jobs[_LABELLED:_NAMED]]
    more = [f"{len(jobs) - _NAMED} more"] if len(jobs) > _NAMED else []
    return f"{counted} ({'; '.join([*named, *more])})" if any(named) else counted
