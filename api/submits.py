"""What both submits share: Idempotency-Key, ``Prefer: wait``, and the answer's form."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from fastapi import Request
from fastapi.responses import Response

from api.access import Caller
from api.gate import Call
from api.parts import Parts
from api.schemas import JobOut, Submitted
from api.waiting import preferred_wait, settled
from rag.errors import InvalidRequest
from rag.model import Job, Json
from rag.ports import Accepted
from rag.stores.journal import journalled
from tasks.submit import Idempotency

MAX_KEY = 255


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a submit is made, from its headers. ``wait``: seconds, None for at once."""

    path: str
    wait: int | None
    key: str | None

    def idempotency(self, caller: Caller, body: Json) -> Idempotency | None:
        """The key, valid for this caller and path, and the digest of ``body``; None without a key.

        ``body`` is what was sent: fields in any order, a file by its sha256. InvalidRequest
        for an empty or overlong key.
        """
        if self.key is None:
            return None
        if not 0 < len(self.key) <= MAX_KEY or not self.key.isprintable():
            raise InvalidRequest(f"Idempotency-Key: has 1 to {MAX_KEY} printable characters")
        return Idempotency(key=json.dumps([caller.name, self.path, self.key]), body_digest=digest(body))


def owner_of(caller: Caller) -> str:
    """Whose the caller's jobs are: the name of its key; "" without keys."""
    return caller.owner


def terms_of(request: Request) -> Terms:
    headers = request.headers
    wait = preferred_wait(headers.getlist("prefer"))
    return Terms(request.url.path, wait, headers.get("idempotency-key"))


def digest(body: Json) -> str:
    """SHA-256 in hex of a JSON object, whatever the order of its members."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(canonical.encode()).hexdigest()


def submit_once(parts: Parts, idempotency: Idempotency | None, submit: Callable[[], Accepted]) -> Accepted:
    """The accepted job; the earlier one, and nothing else is looked at or made, where it was accepted before.

    Overloaded when the broker has no room for it, NoRoom when a disk has none.
    """
    earlier = idempotency and parts.jobs.repeated(
        idempotency_key=idempotency.key, body_digest=idempotency.body_digest
    )
    if earlier:
        return earlier
    parts.broker.admit()
    parts.disks.admit()
    return submit()


async def answered(call: Call, accepted: Accepted, terms: Terms) -> Response:
    """202 with where to look; when waiting was preferred and the job ended in time, 200 with the job.

    A caller who waits for too many already is not made to wait.
    """
    parts, holder = call.parts, call.holder
    headers = {} if accepted.new else {"Idempotency-Replayed": "true"}
    if terms.wait and parts.waits.has_room(holder):
        headers["Preference-Applied"] = f"wait={terms.wait}"
        with parts.waits.taken(holder):
            job = await settled(parts, call.request, accepted.job.id, terms.wait)
        if job.state.final:
            return job_response(job, 200, headers)
    return submitted(parts, accepted.job, headers)


def submitted(parts: Parts, job: Job, headers: dict[str, str] | None = None) -> Response:
    """202 ``{job_id, document_id, status_url, survives}`` and ``Location``; no document: null."""
    url = status_url(job)
    kept = journalled(parts.settings, job.kind)
    answer = Submitted(
        job_id=job.id,
        document_id=job.inputs.get("document_id"),
        status_url=url,
        survives="broker-loss" if kept else "broker-restart",
    )
    return _json(answer.model_dump_json(), 202, {"Location": url, **(headers or {})})


def job_response(job: Job, status: int, headers: dict[str, str] | None = None) -> Response:
    """The job's record and its ``Location``."""
    return _json(JobOut.of(job).model_dump_json(), status, {"Location": status_url(job), **(headers or {})})


def status_url(job: Job) -> str:
    return f"/v1/jobs/{job.id}"


def _json(body: str, status: int, headers: dict[str, str]) -> Response:
    return Response(body, status, headers, media_type="application/json")
