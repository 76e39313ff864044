"""Server-sent events: /v1/jobs/{id}/events of one job, /v1/events of many jobs in one stream.

The store keeps a job's events. A client that comes back with the id of the last event that it saw misses
none, and one that comes without gets all from the beginning. A client that follows a hundred jobs would
need a hundred connections without the second stream; it sends events in the order in which they happened.
"""

import json
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response
from fastapi.sse import EventSourceResponse, ServerSentEvent, format_sse_event
from starlette.exceptions import HTTPException

from api.calls.auth import Call, ListenCall
from api.calls.event_feed import FeedEntry, Follower, encode_event, place_of
from api.calls.event_streams import EncodedEvents, stream_events
from api.calls.openapi import problems
from api.calls.parts import Parts
from api.calls.waiting import no_such_job
from api.routes.jobs import visible_job
from rag.errors import InvalidRequest, Transient
from rag.model import EventKind, JobEvent

router = APIRouter(prefix="/v1", tags=["jobs"])

MOST_JOBS = 150  # as many ids fit into an address

_RECHECK_SECONDS = 5.0
_QUIET_SECONDS = 2.0
_COME_BACK_MS = 2_000
_AWAY = "a part is away; come back with Last-Event-ID"
_LAST = 2**63 - 1
_ID = re.compile(r"(\d{1,19})(-\d{1,19})?/([A-Za-z0-9-]{1,64})\Z", re.ASCII)
_IN_PLACE = "In place of the header"
_NOTHING_NEW = format_sse_event(comment="nothing new")

log = logging.getLogger(__name__)

Jobs = Annotated[
    list[Annotated[str, Query(max_length=64)]],
    Query(min_length=1, max_length=MOST_JOBS, description="Ids of jobs; repeat the parameter for each"),
]


@dataclass(frozen=True, slots=True)
class JobStream:
    """A job that a client follows from the event ``after`` this one; None: from the first."""

    call: Call
    job_id: str
    after: str | None


async def job_stream(
    call: ListenCall,
    job_id: str,
    header: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    query: Annotated[str | None, Query(alias="last_event_id", description=_IN_PLACE)] = None,
) -> AsyncIterator[JobStream]:
    """Refuses before the stream begins. 204, which ends a browser's retries, when nothing is left to send."""
    job = await call.run_in_thread(visible_job, call, job_id)
    after = header or query or None
    if after is not None:
        over, news = await call.run_in_thread(_news, call.parts, job.id, after)
        if over and not news:
            raise HTTPException(204)
    with call.parts.waits.hold(call.quota_key):
        yield JobStream(call, job.id, after)


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    responses={204: {"description": "The job is over and its last event was seen already"}, **problems(404)},
    summary="Follow a job",
)
async def job_events(stream: Annotated[JobStream, Depends(job_stream)]) -> AsyncIterable[ServerSentEvent]:
    """Events `state`, `progress`, `token`, `result` and `error`, each with an id; a comment every 15
    seconds of silence. Ends when the job is over and its last event is sent."""
    call, job_id, after = stream.call, stream.job_id, stream.after
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
        return (place_of(self.event), self.job_id) < (place_of(event.id), job_id)


@dataclass(frozen=True, slots=True)
class JobsStream:
    """Jobs that a client follows. ``missing``: ids of jobs that do not exist for the caller."""

    call: Call
    follower: Follower
    missing: tuple[str, ...]


async def jobs_stream(
    call: ListenCall,
    job: Jobs,
    header: Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)] = None,
    query: Annotated[str | None, Query(alias="last_event_id", max_length=128, description=_IN_PLACE)] = None,
) -> AsyncIterator[JobsStream]:
    """Refuses before the stream begins. 204, which ends a browser's retries, when nothing is left to send."""
    place = Place.of(after) if (after := header or query) else None
    asked, parts, caller = tuple(dict.fromkeys(job)), call.parts, call.caller
    there = await call.run_in_thread(
        parts.jobs.visible, asked, collections=caller.collections, asker=caller.asker
    )
    if not there:
        raise no_such_job(asked[0])
    heard = {job_id: place.heard_of(job_id) if place else None for job_id in there}
    if place is not None:
        news = await call.run_in_thread(parts.jobs.news, heard)
        if news.over == heard.keys() and not any(place.precedes(*told) for told in news.events):
            raise HTTPException(204)
    missing = tuple(job_id for job_id in asked if job_id not in heard)
    with parts.waits.hold(call.quota_key):
        async with parts.events.follow(heard) as follower:
            yield JobsStream(call, follower, missing)


@router.get(
    "/events",
    response_class=EncodedEvents,
    responses={204: {"description": "All jobs are over and their last events were seen"}, **problems(404)},
    summary="Follow many jobs",
)
async def jobs_events(stream: Annotated[JobsStream, Depends(jobs_stream)]) -> Response:
    """Events `state`, `progress`, `result` and `error` of up to 150 jobs, each as `{"job_id", "data"}` with
    the `data` of the job's own stream; only that stream has the pieces of answers. A job that does not exist
    has an `error` of type `not-found`; 404 when none exists. Ends when all jobs are over and their last
    events are sent. After `Last-Event-ID` nothing is missed; what happened to other jobs in the same
    millisecond may come twice."""
    return stream_events(_texts(stream))


async def _texts(stream: JobsStream) -> AsyncIterator[bytes]:
    """Pieces of the stream, each of whole events."""
    if stream.missing:
        yield b"".join(map(_not_found, stream.missing))
    follower = stream.follower
    try:
        while True:
            if not await follower.wait(_QUIET_SECONDS):
                # The command line reads this stream, and looks after other things at each comment.
                yield _NOTHING_NEW
                continue
            entries, ends = follower.take()
            async for text in _pieces(stream.call, entries):
                yield text
            if ends:
                return
    except Transient as error:
        log.warning("an event stream of many jobs ends early: %s", error)
        yield format_sse_event(comment=_AWAY, retry=_COME_BACK_MS)


async def _pieces(call: Call, entries: Sequence[FeedEntry]) -> AsyncIterator[bytes]:
    """The entries as they are sent: many at once, and each long result by itself."""
    ready: list[bytes] = []
    for entry in entries:
        if entry.text is not None:
            ready.append(entry.text)
            continue
        if ready:
            yield b"".join(ready)
            ready = []
        # Long results are read one at a time: all of them at once might take too much memory.
        job = await call.run_in_thread(call.parts.jobs.get, entry.job_id)
        if job and job.result is not None:
            yield encode_event(entry.job_id, replace(entry.event, data=job.result))
    if ready:
        yield b"".join(ready)


def _not_found(job_id: str) -> bytes:
    error = no_such_job(job_id)
    kind = f"urn:aegis:problem:{error.code}"
    told = {"type": kind, "title": error.title, "status": 404, "detail": str(error)}
    return encode_event(job_id, JobEvent("", EventKind.ERROR, told))
