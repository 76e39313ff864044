"""/v1/jobs/{id}/events: what happens to a job, as server-sent events.

The store keeps a job's events, so a client that comes back with the id of the last one it
saw misses none, and one that comes without gets all from the beginning.
"""

import json
import logging
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from api.gate import Call, ListenCall
from api.jobs import visible_job
from api.openapi import problems
from api.parts import Parts
from rag.errors import Transient
from rag.model import JobEvent

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_RECHECK_SECONDS = 5.0
_COME_BACK_MS = 2_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Following:
    """A job that a client listens to, from the event after ``after`` on; None: from the first."""

    call: Call
    job_id: str
    after: str | None


async def _following(
    call: ListenCall,
    job_id: str,
    header: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    query: Annotated[str | None, Query(alias="last_event_id", description="In place of the header")] = None,
) -> AsyncIterator[Following]:
    """Refuses before the stream begins. 204, which ends a browser's retries, when all is told."""
    job = await call.work(visible_job, call, job_id)
    after = header or query or None
    if after is not None:
        over, news = await call.work(_news, call.parts, job.id, after)
        if over and not news:
            raise HTTPException(204)
    with call.parts.waits.taken(call.holder):
        yield Following(call, job.id, after)


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    responses={204: {"description": "The job is over and its last event was seen already"}, **problems(404)},
    summary="Follow a job",
)
async def events(following: Annotated[Following, Depends(_following)]) -> AsyncIterable[ServerSentEvent]:
    """Events `state`, `progress`, `token`, `result` and `error`, each with an id; a comment every 15
    seconds of silence. Ends when the job is over and all is told."""
    call, job_id, after = following.call, following.job_id, following.after
    try:
        async with call.parts.changes.watch(job_id) as watch:
            while True:
                over, news = await call.work(_news, call.parts, job_id, after)
                for event in news:
                    after = event.id
                    yield _sent(event)
                if over or call.parts.stopping.is_set():
                    return
                await watch.wait(_RECHECK_SECONDS)
    except Transient as error:
        log.warning("events of job %s end early: %s", job_id, error)
        yield ServerSentEvent(comment="a part is away; come back with Last-Event-ID", retry=_COME_BACK_MS)


def _news(parts: Parts, job_id: str, after: str | None) -> tuple[bool, list[JobEvent]]:
    """Whether the job is over, and its events after ``after``; all of them when it is over.

    The record is read first: a job that is over gets no more events.
    """
    job = parts.jobs.get(job_id)
    return job is None or job.state.final, parts.jobs.events(job_id, after=after)


def _sent(event: JobEvent) -> ServerSentEvent:
    return ServerSentEvent(
        event=event.kind.value, id=event.id, raw_data=json.dumps(event.data, ensure_ascii=False)
    )
