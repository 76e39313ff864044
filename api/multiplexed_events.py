"""/v1/events: what happens to many jobs, as one stream of server-sent events.

A client that follows a hundred jobs would else hold a hundred connections, or ask for each again and
again. Events are told in the order in which they happened, whichever job they are of.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from api.gate import Call, ListenCall
from api.openapi import problems
from api.waiting import no_such_job
from rag.errors import InvalidRequest, Transient
from rag.model import EventKind, JobEvent, JobNews, Json

router = APIRouter(prefix="/v1/events", tags=["jobs"])

MOST_JOBS = 150
"""As many ids as an address has room for."""

_RECHECK_SECONDS = 2.0
_APART_SECONDS = 0.2
"""Between two looks, since each is at all of the jobs."""

_COME_BACK_MS = 2_000
_LAST = 2**63 - 1
_ID = re.compile(r"(\d{1,19})(-\d{1,19})?/([A-Za-z0-9-]{1,64})\Z", re.ASCII)

log = logging.getLogger(__name__)

Jobs = Annotated[
    list[Annotated[str, Query(max_length=64)]],
    Query(
        min_length=1, max_length=MOST_JOBS, description="Ids of the jobs to follow: the parameter is repeated"
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """The last event that a client heard: ``event`` is its id, of ``job_id``, written in ``milliseconds``."""

    milliseconds: int
    event: str
    job_id: str

    @classmethod
    def of(cls, sent: str) -> Self:
        """InvalidRequest for what no stream here has told."""
        match = _ID.match(sent)
        if match is None:
            raise InvalidRequest(f"{sent[:40]!r} is not the id of an event of this stream")
        return cls(int(match[1]), match[1] + (match[2] or ""), match[3])

    def heard_of(self, job_id: str) -> str:
        """The last event of a job that came before. Of the other jobs the very same millisecond comes
        again: one of them may have got an event after this one was told."""
        return self.event if job_id == self.job_id else f"{max(0, self.milliseconds - 1)}-{_LAST}"

    def precedes(self, job_id: str, event: JobEvent) -> bool:
        """Whether it was told before this event of ``job_id``, as the stream has them in order."""
        return (*_numbers(self.event), self.job_id) < (*_numbers(event.id), job_id)


@dataclass(frozen=True, slots=True)
class Following:
    """Jobs that a client listens to, each from the event after the one it ``heard``; None: from the first.

    ``missing``: ids of jobs that are not there for the caller.
    """

    call: Call
    heard: dict[str, str | None]
    missing: tuple[str, ...]


async def _following(
    call: ListenCall,
    job: Jobs,
    header: Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)] = None,
    query: Annotated[
        str | None, Query(alias="last_event_id", max_length=128, description="In place of the header")
    ] = None,
) -> AsyncIterator[Following]:
    """Refuses before the stream begins. 204, which ends a browser's retries, when all is told."""
    place = Place.of(after) if (after := header or query) else None
    asked = tuple(dict.fromkeys(job))
    there = await call.work(_visible, call, asked)
    if not there:
        raise no_such_job(asked[0])
    heard = {job_id: place.heard_of(job_id) if place else None for job_id in there}
    if place is not None:
        news = await call.work(call.parts.jobs.news, heard)
        if news.over == heard.keys() and not any(place.precedes(*told) for told in news.events):
            raise HTTPException(204)
    with call.parts.waits.taken(call.holder):
        yield Following(call, heard, tuple(job_id for job_id in asked if job_id not in heard))


def _numbers(event_id: str) -> tuple[int, int]:
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number or 0)


def _visible(call: Call, job_ids: Sequence[str]) -> list[str]:
    """Those that are there for the caller."""
    jobs, caller = call.parts.jobs, call.caller
    return [
        job_id
        for job_id in job_ids
        if jobs.get(job_id, collections=caller.collections, asker=caller.asker) is not None
    ]


@router.get(
    "",
    response_class=EventSourceResponse,
    responses={204: {"description": "All jobs are over and their last events were seen"}, **problems(404)},
    summary="Follow many jobs",
)
async def events(following: Annotated[Following, Depends(_following)]) -> AsyncIterable[ServerSentEvent]:
    """Events `state`, `progress`, `result` and `error` of up to 150 jobs, each as `{"job_id", "data"}` with
    the `data` that the job's own stream has; the pieces of answers come by that one alone. A job that is not
    there has an `error` of type `not-found`; 404 when none is. Ends when all jobs are over and all is told.
    After `Last-Event-ID` nothing is missed; what happened to other jobs in the same millisecond may come
    twice."""
    for job_id in following.missing:
        yield _told(job_id, JobEvent("", EventKind.ERROR, _not_there(job_id)))
    try:
        async for event in _all_told(following):
            yield event
    except Transient as error:
        log.warning("events of %d jobs end early: %s", len(following.heard), error)
        yield ServerSentEvent(comment="a part is away; come back with Last-Event-ID", retry=_COME_BACK_MS)


async def _all_told(following: Following) -> AsyncIterator[ServerSentEvent]:
    """Until the last job is over. A comment in each silence, so that the client can see to other things."""
    call, heard = following.call, following.heard
    async with call.parts.changes.watch(*heard) as watch:
        while True:
            news: JobNews = await call.work(call.parts.jobs.news, heard)
            for job_id, event in news.events:
                if (whole := await _with_result(call, job_id, event)) is not None:
                    yield _told(job_id, whole)
            heard.update(news.read)
            for job_id in news.over:
                del heard[job_id]
            if not heard or call.parts.stopping.is_set():
                return
            if not await watch.wait(_RECHECK_SECONDS):
                yield ServerSentEvent(comment="nothing new")
            await asyncio.sleep(_APART_SECONDS)


async def _with_result(call: Call, job_id: str, event: JobEvent) -> JobEvent | None:
    """A result is read when its turn comes: all of them at once might be too much. None: it is gone."""
    if event.kind is not EventKind.RESULT:
        return event
    job = await call.work(call.parts.jobs.get, job_id)
    return JobEvent(event.id, event.kind, job.result) if job and job.result is not None else None


def _told(job_id: str, event: JobEvent) -> ServerSentEvent:
    data = json.dumps({"job_id": job_id, "data": event.data}, ensure_ascii=False)
    return ServerSentEvent(
        event=event.kind.value, id=f"{event.id}/{job_id}" if event.id else None, raw_data=data
    )


def _not_there(job_id: str) -> Json:
    error = no_such_job(job_id)
    kind = f"urn:aegis:problem:{error.code}"
    return {"type": kind, "title": error.title, "status": 404, "detail": str(error)}
