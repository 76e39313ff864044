"""Where a listing goes on, and how much of it at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from rag.model import Job
from rag.ports import Window


@dataclass(frozen=True, slots=True)
class Paging:
    cursor: Annotated[str | None, Query(max_length=1024, description="`next` of the page before")] = None
    limit: Annotated[int, Query(ge=1, le=200)] = 50


Paged = Annotated[Paging, Depends()]


def merged(windows: Sequence[Window[Job]], limit: int) -> Window[Job]:
    """One page of several, each newest first behind the same cursor, which is a job's id.

    Jobs below the highest ``next`` wait for the next page: another window may have more between them.
    """
    reached = max((window.next for window in windows if window.next is not None), default=None)
    jobs = sorted((job for window in windows for job in window.items), key=lambda job: job.id, reverse=True)
    whole = tuple(job for job in jobs if reached is None or job.id >= reached)
    return Window(whole, reached) if len(whole) <= limit else Window(whole[:limit], whole[limit - 1].id)
