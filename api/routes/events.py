"""Server-sent events: /v1/jobs/{id}/events of one job, /v1/events of many jobs in one stream.

The store keeps a job's events. A client that comes back with the id of the last event that it saw misses
none, and one that comes without gets all from the beginning. A client that follows a hundred jobs would
need a hundred connections without the second stream; it sends events in the order in which they happened.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from api.calls.auth import Call, ListenCall
from api.calls.openapi import problems
from api.calls.parts import Parts
from api.calls.waiting import no_such_job
from api.routes.jobs import visible_job
from rag.errors import InvalidRequest, NotFound, Transient
from rag.model import EventKind, JobEvent, JobNews

router = APIRouter(prefix="/v1", tags=["jobs"])

MOST_JOBS = 150  # as many ids fit into an address

_RECHECK_SECONDS = 5.0
_RECHECK_MANY_SECONDS = 2.0
_APART_SECONDS = 0.2  # between two reads of all jobs of a stream
_COME_BACK_MS = 2_000
_AWAY = "a part is away; come back with Last-Event-ID"
_LAST = 2**63 - 1
_ID = re.compile(r"(\d{1,19})(-\d{1,19})?/([A-Za-z0-9-]{1,64})\Z", re.ASCII)
_IN_PLACE = "In place of the header"

log = logging.getLogger(__name__)

Jobs = Annotated[
    list[Annotated[str, Query(max_length=64)]],
    Query(min_length=1, max_length=MOST_JOBS, description="Ids of jobs; repeat the parameter for each"),
]


@dataclass(frozen=True, slots=True)
class Stream:
    """Jobs that a client follows, each from the event after the one it ``heard``; None: from the first.

    ``missing``: ids of jobs that do not exist for the caller.
    """

    call: Call
    heard: dict[str, str | None]
    missing: tuple[str, ...] = ()


async def job_stream(
    call: ListenCall,
    job_id: str,
    header: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    query: Annotated[str | None, Query(alias="last_event_id", description=_IN_PLACE)] = None,
) -> AsyncIterator[Stream]:
    """Refuses before the stream begins. 204, which ends a browser's retries, when nothing is left to send."""
    job = await call.run_in_thread(visible_job, call, job_id)
    after = header or query or None
    if after is not None:
        over, news = await call.run_in_thread(_news, call.parts, job.id, after)
        if over and not news:
            raise HTTPException(204)
    with call.parts.waits.hold(call.quota_key):
        yield Stream(call, {job.id: after})


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses={204: {"description": "The job is over and its last event was seen already"}, **problems(404)},
    summary="Follow a job",
)
async def job_events(stream: Annotated[Stream, Depends(job_stream)]) -> AsyncIterable[ServerSentEvent]:
    """Events `state`, `progress`, `token`, `result` and `error`, each with an id; a comment every 15
    seconds of silence. Ends when the job is over and its last event is sent."""
    call, ((job_id, after),) = stream.call, stream.heard.items()
    try:
        async with call.parts.changes.watch(job_id) as watch:
            while True:
                over, news = await call.run_in_thread(_news, call.parts, job_id, after)
                for event in news:
                    after = event.id
                    data = json.dumps(event.data, ensure_ascii=False)
                    yield ServerSentEvent(event=event.kind.value, id=event.id, raw_data=data)
                if over or call.parts.stopping.is_set():
                    return
                await watch.wait(_RECHECK_SECONDS)
    except Transient as error:
        log.warning("the event stream of job %s ends early: %s", job_id, error)
        yield ServerSentEvent(comment=_AWAY, retry=_COME_BACK_MS)


def _news(parts: Parts, job_id: str, after: str | None) -> tuple[bool, list[JobEvent]]:
    """Whether the job is over, and its events after ``after``; all of them when it is over."""
    # The record is read first: a job that is over gets no more events.
    job = parts.jobs.get(job_id)
    return job is None or job.state.final, parts.jobs.events(job_id, after=after)


@dataclass(frozen=True, slots=True)
class Place:
    """The last event that a client heard: ``event`` is its id, of ``job_id``, written in ``milliseconds``."""

    milliseconds: int
    event: str
    job_id: str

    @classmethod
    def of(cls, sent: str) -> Self:
        """InvalidRequest for an id that no such stream has sent."""
        match = _ID.match(sent)
        if match is None:
            raise InvalidRequest(f"{sent[:40]!r} is not the id of an event of this stream")
        return cls(int(match[1]), match[1] + (match[2] or ""), match[3])

    def heard_of(self, job_id: str) -> str:
        """The last event of ``job_id`` that the client has heard for certain."""
        # Another job may have got an event in the same millisecond after this one was sent, so its events
        # of that millisecond are sent again.
        return self.event if job_id == self.job_id else f"{max(0, self.milliseconds - 1)}-{_LAST}"

    def precedes(self, job_id: str, event: JobEvent) -> bool:
        """Whether the stream sends this event of ``job_id`` later."""
        return (*_numbers(self.event), self.job_id) < (*_numbers(event.id), job_id)


def _numbers(event_id: str) -> tuple[int, int]:
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number or 0)


async def jobs_stream(
    call: ListenCall,
    job: Jobs,
    header: Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)] = None,
    query: Annotated[str | None, Query(alias="last_event_id", max_length=128, description=_IN_PLACE)] = None,
) -> AsyncIterator[Stream]:
    """Refuses before the stream begins. 204, which ends a browser's retries, when nothing is left to send."""
    place = Place.of(after) if (after := header or query) else None
    asked = tuple(dict.fromkeys(job))
    there = await call.run_in_thread(_visible, call, asked)
    if not there:
        raise no_such_job(asked[0])
    heard = {job_id: place.heard_of(job_id) if place else None for job_id in there}
    if place is not None:
        news = await call.run_in_thread(call.parts.jobs.news, heard)
        if news.over == heard.keys() and not any(place.precedes(*told) for told in news.events):
            raise HTTPException(204)
    with call.parts.waits.hold(call.quota_key):
        yield Stream(call, heard, tuple(job_id for job_id in asked if job_id not in heard))


def _visible(call: Call, job_ids: tuple[str, ...]) -> list[str]:
    """The ids of jobs that the caller may see."""
    found = []
    for job_id in job_ids:
        try:
            found.append(visible_job(call, job_id).id)
        except NotFound:
            continue
    return found


@router.get(
    "/events",
    response_class=EventSourceResponse,
    responses={204: {"description": "All jobs are over and their last events were seen"}, **problems(404)},
    summary="Follow many jobs",
)
async def jobs_events(stream: Annotated[Stream, Depends(jobs_stream)]) -> AsyncIterable[ServerSentEvent]:
    """Events `state`, `progress`, `result` and `error` of up to 150 jobs, each as `{"job_id", "data"}` with
    the `data` of the job's own stream; only that stream has the pieces of answers. A job that does not exist
    has an `error` of type `not-found`; 404 when none exists. Ends when all jobs are over and their last
    events are sent. After `Last-Event-ID` nothing is missed; what happened to other jobs in the same
    millisecond may come twice."""
    for job_id in stream.missing:
        error = no_such_job(job_id)
        kind = f"urn:aegis:problem:{error.code}"
        told = {"type": kind, "title": error.title, "status": 404, "detail": str(error)}
        yield _sent(job_id, JobEvent("", EventKind.ERROR, told))
    try:
        async for event in _follow(stream.call, stream.heard):
            yield event
    except Transient as error:
        log.warning("the event stream of %d jobs ends early: %s", len(stream.heard), error)
        yield ServerSentEvent(comment=_AWAY, retry=_COME_BACK_MS)


async def _follow(call: Call, heard: dict[str, str | None]) -> AsyncIterator[ServerSentEvent]:
    """Events until the last job is over. ``heard`` is updated, and loses each job that is over."""
    async with call.parts.changes.watch(*heard) as watch:
        while True:
            news: JobNews = await call.run_in_thread(call.parts.jobs.news, heard)
            for job_id, event in news.events:
                if event.kind is not EventKind.RESULT:
                    yield _sent(job_id, event)
                    continue
                # Results are read one at a time: all of them at once might take too much memory.
                job = await call.run_in_thread(call.parts.jobs.get, job_id)
                if job and job.result is not None:
                    yield _sent(job_id, JobEvent(event.id, event.kind, job.result))
            heard.update(news.read)
            for job_id in news.over:
                del heard[job_id]
            if not heard or call.parts.stopping.is_set():
                return
            if not await watch.wait(_RECHECK_MANY_SECONDS):
                # The command line reads this stream, and looks after other things at each comment.
                yield ServerSentEvent(comment="nothing new")
            await asyncio.sleep(_APART_SECONDS)


def _sent(job_id: str, event: JobEvent) -> ServerSentEvent:
    data = json.dumps({"job_id": job_id, "data": event.data}, ensure_ascii=False)
    event_id = f"{event.id}/{job_id}" if event.id else None
    return ServerSentEvent(event=event.kind.value, id=event_id, raw_data=data)
