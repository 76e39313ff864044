"""An API that takes documents, for the command line: its jobs end as soon as somebody looks."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import unquote

import httpx

from rag.web.jsontypes import Json

_FILE = re.compile(rb'name="file"; filename="(.*?)"\r\n')
_ID = re.compile(rb'name="document_id"\r\n\r\n(.*?)\r\n', re.DOTALL)

Answer = Callable[[str], httpx.Response | None]


@dataclass
class Api:
    """``refuse`` may answer for the API when a document comes, by its id; ``end``: how a job ends, by the id.

    A job that ends with None goes on. ``posted``: ids of the documents that came, with their keys.
    ``batches``: how many documents came in each call for many.
    """

    refuse: Answer = lambda _: None
    end: Callable[[str], Json | None] = lambda _: {"chunks": 2}
    posted: list[tuple[str, str]] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self._lock:
            path = unquote(request.url.path)
            if request.method == "POST" and path == "/v1/documents:batch":
                return self._batch(request)
            if request.method == "POST":
                return self._submitted(request)
            if path == "/v1/events":
                return self._events(request.url.params.get_list("job"))
            if path.startswith("/v1/jobs/"):
                return self._job(path.removeprefix("/v1/jobs/"))
            return self._document(path.removeprefix("/v1/documents/"))

    def _submitted(self, request: httpx.Request) -> httpx.Response:
        found = _ID.search(request.content)
        document_id = found[1].decode() if found else json.loads(request.content)["url"]
        if (refused := self.refuse(document_id)) is not None:
            return refused
        key = request.headers["Idempotency-Key"]
        self.posted.append((document_id, key))
        job_id = self.keys.setdefault(key, f"job-{len(self.keys)}")
        self.jobs[job_id] = document_id
        return httpx.Response(202, json={"job_id": job_id, "document_id": document_id})

    def _batch(self, request: httpx.Request) -> httpx.Response:
        placed: list[Json | None] = []
        refused: list[Json] = []
        for position, found in enumerate(_FILE.findall(request.content)):
            document_id = found.decode()
            if (answer := self.refuse(document_id)) is not None:
                if answer.status_code == 401:
                    return answer
                placed.append(None)
                after = answer.headers.get("retry-after")
                refused.append({"position": position, **answer.json(), "retry_after": after and int(after)})
                continue
            key = f"{request.headers['Idempotency-Key']} {document_id}"
            self.posted.append((document_id, key))
            job_id = self.keys.setdefault(key, f"job-{len(self.keys)}")
            self.jobs[job_id] = document_id
            placed.append({"job_id": job_id, "document_id": document_id})
        self.batches.append(len(placed))
        return httpx.Response(202, json={"batch_id": "b", "jobs": placed, "refused": refused})

    def _events(self, job_ids: list[str]) -> httpx.Response:
        """Those that came last end first."""
        told = []
        for number, job_id in enumerate(reversed(job_ids), 1):
            job = self._state(job_id)
            kind = "result" if job["result"] else "error"
            if job["state"] != "running":
                data = json.dumps({"job_id": job_id, "data": job[kind]})
                told.append(f"id: 1-{number}/{job_id}\nevent: {kind}\ndata: {data}\n\n")
        return httpx.Response(200, text="".join(told))

    def _job(self, job_id: str) -> httpx.Response:
        return httpx.Response(200, json=self._state(job_id)) if job_id in self.jobs else not_found()

    def _state(self, job_id: str) -> Json:
        document_id = self.jobs[job_id]
        job: Json = {"id": job_id, "state": "running", "stage": "embed", "result": None, "error": None}
        ended = self.end(document_id)
        if ended is None:
            return job
        if "chunks" not in ended:
            return {**job, "state": "failed", "error": ended}
        version = self.documents.setdefault(document_id, 1)
        result = {"document_id": document_id, "version": version, "tokens": 9, "unchanged": False, **ended}
        return {**job, "state": "succeeded", "result": result}

    def _document(self, document_id: str) -> httpx.Response:
        if document_id not in self.documents:
            return not_found()
        known = {"document_id": document_id, "version": self.documents[document_id], "chunks": 2, "tokens": 9}
        return httpx.Response(200, json={**known, "updated_at": "2026-11-01T00:00:00Z"})


def problem(status: int, code: str, detail: str, **headers: str) -> httpx.Response:
    body = {"type": f"urn:aegis:problem:{code}", "title": "No", "status": status, "detail": detail}
    return httpx.Response(status, json=body, headers=headers)


def not_found() -> httpx.Response:
    return problem(404, "not-found", "There is no such thing")
