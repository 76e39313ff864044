"""POST /v1/documents:batch and /v1/batches: many documents in one call, followed and cancelled together.

A batch with a document of a collection outside the key's scope does not exist for that key.
"""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from time import monotonic
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.exceptions import HTTPException

from api.access.access import DOCUMENTS
from api.calls.auth import Call, ListenCall, ReadCall, WriteCall
from api.calls.batch_archives import ArchiveBody
from api.calls.batch_bodies import BatchBody, Defaults, LineBody
from api.calls.batch_forms import FormBody
from api.calls.event_streams import EncodedEvents, stream_events
from api.calls.json_body import media_type
from api.calls.openapi import SUBMIT_HEADERS, batch_body, problems
from api.calls.parts import Parts
from api.calls.submission import idempotency_of
from api.calls.waiting import preferred_wait, wait_for_batch
from api.http.problems import told
from api.incoming.receiving import MIB, Limit
from api.routes.jobs import Wait
from api.schemas.batches import BatchOut, BatchSubmittedOut
from api.schemas.batches import submitted as submitted_answer
from api.schemas.bodies import CollectionName, OnConflict
from rag.errors import (
    Conflict,
    DocumentTooLarge,
    Forbidden,
    InvalidRequest,
    NotFound,
    Transient,
    UnexpectedType,
)
from rag.model import Batch, BatchStanding, JobKind, Json
from tasks.submit.batch_drafts import Part, Refusal
from tasks.submit.batches import BatchRequest, SubmittedBatch

router = APIRouter(prefix="/v1", tags=["batches"])

_RECHECK_SECONDS = 2.0
_SILENCE_SECONDS = 12.0  # then a comment comes with the next look, within 15 seconds
_COME_BACK_MS = 2_000
_LOCATION = {"headers": {"Location": {"schema": {"type": "string"}, "description": "The batch's address"}}}
_SUBMIT: dict[str, Any] = {
    "status_code": 202,
    "response_model": BatchSubmittedOut,
    "responses": {
        200: {"model": BatchOut, "description": "With Prefer: wait=N, the batch when it ended in time"},
        202: _LOCATION,
        **problems(400, 404, 408, 409, 413, 415),
    },
    "openapi_extra": {"parameters": SUBMIT_HEADERS, **batch_body()},
}

log = logging.getLogger(__name__)


@router.post("/documents:batch", **_SUBMIT, summary="Ingest many documents")
async def ingest_batch(
    call: WriteCall,
    collection: Annotated[
        CollectionName | None, Query(description="Of documents that name none; unset: COLLECTION_NAME")
    ] = None,
    on_conflict: Annotated[OnConflict | None, Query(description="As the field of a single submit")] = None,
) -> Response:
    """NDJSON with a body of `POST /v1/documents` a line, a form with many files named `file`, or a ZIP
    archive. What can be accepted is; the answer says of each other document why not. Each document counts as
    a request of the rate limit. An error instead means that none was accepted."""
    settings, owner = call.parts.settings, call.quota_key
    most = min(settings.max_batch_mb, settings.bodies_mb // 2)
    limit = Limit(most * MIB, DocumentTooLarge(f"A batch may have {most} MB at most (MAX_BATCH_MB)"))
    defaults = Defaults(settings, collection, on_conflict)
    async with call.parts.bodies.document(call.request, owner, limit) as body, call.parts.uploads.hold(owner):
        received = await run_in_threadpool(_received, call, body, defaults)
        await call.count_more(received.count - 1)
        submitted = await run_in_threadpool(_submit, call, received, defaults)
    call.request.scope[DOCUMENTS] = submitted.batch.accepted
    return await _answer(call, submitted)


def _received(call: Call, body: IO[bytes], defaults: Defaults) -> BatchBody:
    received: BatchBody
    match media_type(call.request):
        case "application/x-ndjson" | "application/ndjson" | "application/jsonl":
            received = LineBody(body, defaults)
        case "multipart/form-data":
            received = FormBody(body, call.request.headers["content-type"], defaults)
        case "application/zip" | "application/x-zip-compressed":
            received = ArchiveBody(body, defaults)
        case _:
            raise UnexpectedType("Send application/x-ndjson, multipart/form-data or application/zip")
    if not received.count:
        raise InvalidRequest("There is no document in the body")
    return received


def _submit(call: Call, received: BatchBody, defaults: Defaults) -> SubmittedBatch:
    """The batch, or the earlier one of the same Idempotency-Key and body. NoRoom, Overloaded."""
    request, parts = call.request, call.parts
    key = request.headers.get("idempotency-key")
    sent = {"documents": received.digest, **defaults.body}
    idempotency = idempotency_of(key, call.caller.name, request.url.path, sent)
    if earlier := parts.batch_submissions.repeated(idempotency):
        return SubmittedBatch(earlier, new=False)
    parts.broker.admit()
    parts.disks.admit()
    asked = BatchRequest(_explained, call.caller.owner, idempotency)
    return parts.batch_submissions.submit(_within_reach(call, received), asked)


def _within_reach(call: Call, received: BatchBody) -> Iterator[Part | Refusal]:
    """The documents; those of collections outside the key's scope are refused."""
    for part in received.parts():
        try:
            if isinstance(part, Part):
                call.caller.must_reach(part.ingestion.collection)
            yield part
        except Forbidden as error:
            yield Refusal(part.position, error)


def _explained(refusal: Refusal) -> Json:
    about = {"document_id": refusal.document_id} if refusal.document_id else {}
    return {"position": refusal.position, **about, **told(refusal.error)}


async def _answer(call: Call, submitted: SubmittedBatch) -> Response:
    """202 with the batch's address, or 200 with the batch when the client prefers to wait and it ends."""
    parts, batch = call.parts, submitted.batch
    headers = {"Location": f"/v1/batches/{batch.id}"}
    if not submitted.new:
        headers["Idempotency-Replayed"] = "true"
    wait = preferred_wait(call.request.headers.getlist("prefer"))
    if wait and parts.waits.has_room(call.quota_key):
        headers["Preference-Applied"] = f"wait={wait}"
        with parts.waits.hold(call.quota_key):
            standing = await wait_for_batch(parts, call.request, batch.id, wait)
        if not standing.still_open:
            found = await call.run_in_thread(_shown, parts, batch, standing)
            return Response(found.model_dump_json(), 200, headers, media_type="application/json")
    return Response(json.dumps(submitted_answer(batch)), 202, headers, media_type="application/json")


def visible_batch(call: Call, batch_id: str) -> Batch:
    """The record. NotFound when there is none, or none within the caller's scope: the answer is the same."""
    found = None
    with suppress(NotFound):  # text that cannot be an id
        found = call.parts.batches.get(batch_id)
    if found is None or not all(map(call.caller.reaches, found.collections)):
        raise NotFound(
            f"There is no batch {batch_id[:64]!r} that this key can see; "
            "it is kept as long as records of its jobs"
        )
    return found


def _shown(parts: Parts, batch: Batch, standing: BatchStanding) -> BatchOut:
    failed = [job for job_id in standing.failed if (job := parts.jobs.get(job_id)) is not None]
    return BatchOut.of(batch, standing, failed)


@router.get("/batches/{batch_id}", responses=problems(404), summary="One batch")
async def batch(call: ReadCall, batch_id: str, wait: Wait = 0) -> BatchOut:
    """With `wait`, answers as soon as all jobs are over, or with the present state after so many seconds."""
    found = await call.run_in_thread(visible_batch, call, batch_id)
    standing = await call.run_in_thread(call.parts.batches.standing, batch_id)
    if wait and standing.still_open:
        with call.parts.waits.hold(call.quota_key):
            standing = await wait_for_batch(call.parts, call.request, batch_id, wait)
    return await call.run_in_thread(_shown, call.parts, found, standing)


@router.delete(
    "/batches/{batch_id}",
    status_code=202,
    response_model=BatchOut,
    responses={202: _LOCATION, **problems(404, 409)},
    summary="Cancel a batch",
)
def cancel(call: ReadCall, batch_id: str) -> Response:
    """Cancels each job that is not over. 409 when all of them are."""
    call.caller.must_control(JobKind.INGEST)
    found = visible_batch(call, batch_id)
    if not call.parts.batch_submissions.cancel(batch_id):
        raise Conflict("All jobs of the batch are over")
    shown = _shown(call.parts, found, call.parts.batches.standing(batch_id))
    headers = {"Location": f"/v1/batches/{batch_id}"}
    return Response(shown.model_dump_json(), 202, headers, media_type="application/json")


async def batch_stream(
    call: ListenCall,
    batch_id: str,
    header: Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)] = None,
    query: Annotated[
        str | None, Query(alias="last_event_id", max_length=128, description="In place of the header")
    ] = None,
) -> AsyncIterator[tuple[Call, Batch]]:
    """Refuses before the stream begins. 204, which ends a browser's retries, when nothing is left to send."""
    found = await call.run_in_thread(visible_batch, call, batch_id)
    standing = await call.run_in_thread(call.parts.batches.standing, batch_id)
    if not standing.still_open and (header or query) == _event_id(standing):
        raise HTTPException(204)
    with call.parts.waits.hold(call.quota_key):
        yield call, found


@router.get(
    "/batches/{batch_id}/events",
    response_class=EncodedEvents,
    responses={
        204: {"description": "The batch is over and its last event was seen already"},
        **problems(404),
    },
    summary="Follow a batch",
)
async def batch_events(stream: Annotated[tuple[Call, Batch], Depends(batch_stream)]) -> Response:
    """`progress` with `done`, `total` and `counts` whenever they have changed, five times a second at most;
    `state` when the state has changed, and at the end `result` with the batch. Its jobs have events of their
    own. A client that comes back gets the present state."""
    return stream_events(_events(*stream))


async def _events(call: Call, found: Batch) -> AsyncIterator[bytes]:
    told_last: BatchStanding | None = None
    parts, told_at = call.parts, monotonic()
    try:
        # Only the ends of its jobs are announced under a batch's id.
        async with parts.changes.watch(found.id, every=False) as watch:
            standing = await call.run_in_thread(parts.batches.standing, found.id)
            while True:
                if news := b"".join(_news(told_last, standing)):
                    yield news
                    told_at = monotonic()
                elif monotonic() - told_at > _SILENCE_SECONDS:
                    yield KEEPALIVE_COMMENT
                    told_at = monotonic()
                if not standing.still_open:
                    shown = await call.run_in_thread(_shown, parts, found, standing)
                    yield _encoded("result", standing, shown.model_dump_json())
                    return
                if parts.stopping.is_set():
                    return
                told_last = standing
                await watch.wait(_RECHECK_SECONDS)
                standing = await parts.standings.read_soon(found.id)
    except Transient as error:
        log.warning("the event stream of batch %s ends early: %s", found.id, error)
        yield format_sse_event(comment="a part is away; come back", retry=_COME_BACK_MS)


def _event_id(standing: BatchStanding) -> str:
    return f"{standing.state}-{standing.total - standing.still_open}"


def _encoded(kind: str, standing: BatchStanding, data: str) -> bytes:
    return format_sse_event(event=kind, data_str=data, id=_event_id(standing))


def _news(before: BatchStanding | None, standing: BatchStanding) -> Iterator[bytes]:
    if before is None or before.state != standing.state:
        yield _encoded("state", standing, json.dumps({"state": standing.state.value}))
    if before != standing:
        counts = {state.value: count for state, count in standing.states.items()}
        done = standing.total - standing.still_open
        told = {"done": done, "total": standing.total, "counts": counts}
        yield _encoded("progress", standing, json.dumps(told))
