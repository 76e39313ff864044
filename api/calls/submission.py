"""What all submits share: Idempotency-Key, ``Prefer: wait``, and the form of the answer."""

import json
from collections.abc import Callable
from hashlib import sha256

from fastapi.responses import Response

from api.calls.auth import Call
from api.calls.parts import Parts
from api.calls.waiting import preferred_wait, wait_for_end
from api.schemas.answers import JobOut, Submitted
from rag.errors import InvalidRequest
from rag.journal.journal import journalled
from rag.model import Job, Json
from rag.ports import Accepted
from tasks.submit.submissions import Idempotency

MAX_KEY = 255

Submit = Callable[[Idempotency | None, str], Accepted]  # takes the key, and the owner of the job


async def submit_idempotently(call: Call, body: Json, submit: Submit) -> Response:
    """The answer to a submit. ``submit`` runs in a thread: see :func:`accept_once`."""
    return await answer_submit(call, await call.run_in_thread(accept_once, call, body, submit))


def accept_once(call: Call, body: Json, submit: Submit) -> Accepted:
    """The job that ``submit`` makes, or the earlier one of the same Idempotency-Key and ``body``.

    InvalidRequest for a bad key, IdempotencyMismatch for another body, Overloaded when the broker has no
    room for the job, NoRoom when a disk has none.
    """
    request, parts = call.request, call.parts
    key = request.headers.get("idempotency-key")
    idempotency = idempotency_of(key, call.caller.name, request.url.path, body)
    # Looked up first: a repeated submit gets its job even when there is no room for new ones.
    if idempotency:
        earlier = parts.jobs.repeated(idempotency_key=idempotency.key, body_digest=idempotency.body_digest)
        if earlier:
            return earlier
    parts.broker.admit()
    parts.disks.admit()
    return submit(idempotency, call.caller.owner)


def idempotency_of(key: str | None, caller: str, path: str, body: Json) -> Idempotency | None:
    """``key``, valid for this caller and path alone, and the digest of ``body``; None without a key.

    ``body`` is what was sent: fields in any order, a file by its sha256. InvalidRequest for a bad key.
    """
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidRequest(f"Idempotency-Key: has 1 to {MAX_KEY} printable characters")
    return Idempotency(key=json.dumps([caller, path, key]), body_digest=digest(body))


def digest(body: Json) -> str:
    """SHA-256 in hex of a JSON object; the order of its members does not matter."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(canonical.encode()).hexdigest()


async def answer_submit(call: Call, accepted: Accepted) -> Response:
    """202 with the job's address, or 200 with the job when the client prefers to wait and it ends in time."""
    parts, headers = call.parts, {} if accepted.new else {"Idempotency-Replayed": "true"}
    wait = preferred_wait(call.request.headers.getlist("prefer"))
    # RFC 7240 lets a server ignore a preference: a caller with too many waits gets its answer at once.
    if wait and parts.waits.has_room(call.quota_key):
        headers["Preference-Applied"] = f"wait={wait}"
        with parts.waits.hold(call.quota_key):
            job = await wait_for_end(parts, call.request, accepted.job.id, wait)
        if job.state.final:
            return job_response(job, 200, headers)
    return submitted_response(parts, accepted.job, headers)


def submitted_response(parts: Parts, job: Job, headers: dict[str, str] | None = None) -> Response:
    """202 ``{job_id, document_id, status_url, survives}`` and ``Location``; no document: null."""
    answer = Submitted(
        job_id=job.id,
        document_id=job.inputs.get("document_id"),
        status_url=f"/v1/jobs/{job.id}",
        survives="broker-loss" if journalled(parts.settings, job.kind) else "broker-restart",
    )
    headers = {"Location": answer.status_url, **(headers or {})}
    return Response(answer.model_dump_json(), 202, headers, media_type="application/json")


def job_response(job: Job, status: int, headers: dict[str, str] | None = None) -> Response:
    """The job's record and its ``Location``."""
    headers = {"Location": f"/v1/jobs/{job.id}", **(headers or {})}
    return Response(JobOut.of(job).model_dump_json(), status, headers, media_type="application/json")
