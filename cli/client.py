"""The REST contract, called from the command line. Every answer is the JSON that came."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import httpx

from rag.errors import AegisError, ErrorTable, Overloaded, TimedOut, Transient, Unavailable, translated
from rag.model import Json

ERRORS: ErrorTable = {httpx.TimeoutException: TimedOut, httpx.TransportError: Unavailable}
FINAL = frozenset({"succeeded", "failed", "cancelled", "dead"})

_PATIENCE_SECONDS = 300.0
_LONG_POLL_SECONDS = 30
_MARGIN_SECONDS = 30.0
_PAGE = 100
_RECONNECTS = 5


class Client:
    """One API. Raises the error that a problem's ``type`` names, Unavailable when nobody answers.

    What the API puts off (429, 503 with Retry-After) is sent again for five minutes.
    """

    def __init__(
        self, url: str, key: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(_LONG_POLL_SECONDS + _MARGIN_SECONDS, connect=5.0)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, transport=transport)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- submits

    def ingest(self, file: Path, document_id: str, collection: str | None = None) -> Json:
        """``{"job_id", "document_id", "status_url"}``."""
        fields = {"document_id": document_id, **({"collection": collection} if collection else {})}
        with file.open("rb") as content:
            return self._submit("/v1/documents", data=fields, files={"file": (file.name, content)})

    def ask(self, question: str, collection: str | None = None, top_k: int | None = None) -> Json:
        """``{"job_id", "status_url", …}``; the answer's pieces come as events."""
        options = {"collection": collection, "top_k": top_k}
        body = {"question": question, "stream": True, **{k: v for k, v in options.items() if v is not None}}
        return self._submit("/v1/queries", json=body)

    # --- reads

    def job(self, job_id: str, *, wait: float = 0) -> Json:
        """The job; with ``wait`` seconds, as soon as it is over."""
        return self._call("GET", f"/v1/jobs/{job_id}", params={"wait": wait} if wait else {})

    def finished(self, job_id: str) -> Json:
        """The job once it is over, however long that takes."""
        while (job := self.job(job_id, wait=_LONG_POLL_SECONDS))["state"] not in FINAL:
            pass
        return job

    def jobs(self, *, state: str | None = None, kind: str | None = None, limit: int = 20) -> list[Json]:
        """The newest jobs."""
        params = {"state": state, "kind": kind, "limit": limit}
        page = self._call("GET", "/v1/jobs", params={k: v for k, v in params.items() if v is not None})
        items: list[Json] = page["items"]
        return items

    def documents(self, collection: str | None = None) -> Iterator[Json]:
        """Every document of the collection, by id."""
        params: dict[str, str | int] = {"limit": _PAGE, **({"collection": collection} if collection else {})}
        while True:
            page = self._call("GET", "/v1/documents", params=params)
            yield from page["items"]
            if page["next"] is None:
                return
            params["cursor"] = page["next"]

    def events(self, job_id: str) -> Iterator[tuple[str, Json]]:
        """The job's events, (kind, data), to its end; a lost connection is taken up where it broke."""
        seen: str | None = None
        for attempt in range(_RECONNECTS + 1):
            try:
                for number, kind, data in self._stream(job_id, seen):
                    seen = number
                    yield kind, data
                    if kind in ("result", "error"):
                        return
            except Transient:
                if attempt == _RECONNECTS:
                    raise
                sleep(1)

    def readiness(self) -> Json:
        """``/health/ready`` whatever its status."""
        with self._translated():
            answer: Json = self._http.get("/health/ready", timeout=5.0).json()
        return answer

    def _stream(self, job_id: str, after: str | None) -> Iterator[tuple[str, str, Json]]:
        headers = {"Last-Event-ID": after} if after else {}
        with (
            self._translated(),
            self._http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise problem_of(answer)
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"])
                    fields = {}

    def _submit(self, path: str, **request: Any) -> Json:
        """Sent with one Idempotency-Key however often it takes, so that it makes one job."""
        return self._call("POST", path, headers={"Idempotency-Key": str(uuid4())}, **request)

    def _call(self, method: str, path: str, **request: Any) -> Json:
        deadline = monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._once(method, path, **request)
            except (Overloaded, Unavailable) as error:
                if error.retry_after is None or monotonic() + error.retry_after > deadline:
                    raise
                sleep(error.retry_after)
                _rewind(request)

    def _once(self, method: str, path: str, **request: Any) -> Json:
        with self._translated():
            answer = self._http.request(method, path, **request)
        if answer.is_error:
            raise problem_of(answer)
        body: Json = answer.json()
        return body

    def _translated(self) -> Any:
        return translated(ERRORS, f"the API at {self.url} (is the stack up? `aegis up` starts it)")


def problem_of(answer: httpx.Response) -> AegisError:
    """The error that an ``application/problem+json`` stands for."""
    problem = _problem(answer)
    kind = _BY_CODE.get(str(problem.get("type", "")).rpartition(":")[2], _by_status(answer.status_code))
    message = str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}")
    if issubclass(kind, Transient):
        return kind(message, retry_after=_seconds(answer.headers.get("Retry-After")))
    return kind(message)


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = answer.json()
    except ValueError:  # a proxy's page
        return {}
    return problem if isinstance(problem, dict) else {}


def _by_status(status: int) -> type[AegisError]:
    return {429: Overloaded, 502: Unavailable, 503: Unavailable, 504: Unavailable}.get(status, AegisError)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def _rewind(request: Mapping[str, Any]) -> None:
    for _, content in request.get("files", {}).values():
        content.seek(0)


def _tree(root: type[AegisError]) -> Iterator[type[AegisError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


_BY_CODE = {kind.code: kind for kind in _tree(AegisError)}
