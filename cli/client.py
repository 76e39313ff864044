"""The REST contract, called from the command line. Every answer is the JSON that came."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from cli.addresses import base_url
from cli.problems import error_of
from rag.errors import ErrorTable, Overloaded, TimedOut, Transient, Unavailable, translated
from rag.model import Json
from rag.settings import Settings

ERRORS: ErrorTable = {httpx.TimeoutException: TimedOut, httpx.TransportError: Unavailable}
FINAL = frozenset({"succeeded", "failed", "cancelled", "dead"})

_PATIENCE: Mapping[type[Transient], float] = {Overloaded: 3600.0, Unavailable: 300.0}
"""Seconds that a call is sent again for: a full queue moves, a part that is away may not come back."""

_LONG_POLL_SECONDS = 30
_MARGIN_SECONDS = 30.0
_PAGE = 100
_RECONNECTS = 5


class Client:
    """One API. Raises the error that a problem's ``type`` names, Unavailable when nobody answers.

    What the API puts off (429, 503 with Retry-After) is sent again when it says: for an hour
    while it is full, for five minutes while a part of it is away.
    """

    def __init__(
        self, url: str, key: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(_LONG_POLL_SECONDS + _MARGIN_SECONDS, connect=5.0)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, transport=transport)
        self._stopped = Event()

    def close(self) -> None:
        self.stop()
        self._http.close()

    def stop(self) -> None:
        """End what other threads wait for: what was put off is not sent again."""
        self._stopped.set()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- submits

    def ingest(self, file: Path, document_id: str, collection: str | None = None) -> Json:
        """``{"job_id", "document_id", "status_url"}``."""
        fields = _given(document_id=document_id, collection=collection)
        with file.open("rb") as content:
            return self._submit("/v1/documents", data=fields, files={"file": (file.name, content)})

    def ask(
        self,
        question: str,
        collection: str | None = None,
        top_k: int | None = None,
        *,
        fresh: bool = False,
    ) -> Json:
        """``{"job_id", "status_url", …}``; the answer's pieces come as events. ``fresh``: past the caches."""
        body = {"question": question, "stream": True, **_given(collection=collection, top_k=top_k)}
        if fresh:
            body["cache"] = False
        return self._submit("/v1/queries", json=body)

    # --- layouts of a collection

    def reindex(self, collection: str, **options: str | float | None) -> Json:
        """``{"job_id", …}``; ``options``: model, dimension, tolerance and force, as the call takes them."""
        return self._submit(f"{_address('collections', collection)}/reindex", json=_given(**options))

    def roll_back(self, collection: str) -> Json:
        """The collection, searched by the model that it was searched by before."""
        return self._call("POST", f"{_address('collections', collection)}/rollback")

    def finish(self, collection: str) -> Json:
        """The collection, with one layout."""
        return self._call("POST", f"{_address('collections', collection)}/finish")

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
        page = self._call("GET", "/v1/jobs", params=_given(state=state, kind=kind, limit=limit))
        items: list[Json] = page["items"]
        return items

    def documents(self, collection: str | None = None) -> Iterator[Json]:
        """Every document of the collection, by id."""
        return self._items("/v1/documents", collection=collection)

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
            except Transient as error:
                if attempt == _RECONNECTS or self._nap(error.retry_after or 1):
                    raise

    # --- dead letters

    def dead_letters(self, reason: str | None = None, collection: str | None = None) -> Iterator[Json]:
        """Those that the key reaches, newest first."""
        return self._items("/v1/dead-letters", reason=reason, collection=collection)

    def dead_letter(self, job_id: str) -> Json:
        return self._call("GET", _address("dead-letters", job_id))

    def replay(self, job_id: str) -> Json:
        """Queued again: ``{"job_id", …}``."""
        return self._call("POST", f"{_address('dead-letters', job_id)}/replay")

    def replay_all(self, reason: str | None = None, collection: str | None = None) -> int:
        """How many were queued again: those of a reason, of a collection, or all."""
        body = _given(reason=reason, collection=collection)
        return int(self._call("POST", "/v1/dead-letters/replay", json=body)["replayed"])

    def drop(self, job_id: str) -> Json:
        """The job, which counts as failed."""
        return self._call("DELETE", _address("dead-letters", job_id))

    def drop_all(self, reason: str | None = None, collection: str | None = None) -> int:
        """How many were dropped: those of a reason, of a collection, or all."""
        params = _given(reason=reason, collection=collection) or {"all": True}
        return int(self._call("DELETE", "/v1/dead-letters", params=params)["dropped"])

    # --- health

    def readiness(self) -> Json:
        """``/health/ready`` whatever its status."""
        with self._translated():
            answer: Json = self._http.get("/health/ready", timeout=5.0).json()
        return answer

    def _items(self, path: str, **wanted: str | None) -> Iterator[Json]:
        """Every item of a listing, page by page."""
        params: Json = {"limit": _PAGE, **_given(**wanted)}
        while True:
            page = self._call("GET", path, params=params)
            yield from page["items"]
            if page["next"] is None:
                return
            params["cursor"] = page["next"]

    def _stream(self, job_id: str, after: str | None) -> Iterator[tuple[str, str, Json]]:
        headers = {"Last-Event-ID": after} if after else {}
        with (
            self._translated(),
            self._http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise error_of(answer)
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
        begun = monotonic()
        while True:
            try:
                return self._once(method, path, **request)
            except (Overloaded, Unavailable) as error:
                patience = begun + _PATIENCE[type(error)]
                if error.retry_after is None or monotonic() + error.retry_after > patience:
                    raise
                if self._nap(error.retry_after):
                    raise
                _rewind(request)

    def _nap(self, seconds: float) -> bool:
        """Whether the client was stopped meanwhile."""
        return self._stopped.wait(seconds)

    def _once(self, method: str, path: str, **request: Any) -> Json:
        with self._translated():
            answer = self._http.request(method, path, **request)
        if answer.is_error:
            raise error_of(answer)
        body: Json = answer.json()
        return body

    def _translated(self) -> Any:
        return translated(ERRORS, f"the API at {self.url} (is the stack up? `aegis up` starts it)")


def client_of(settings: Settings, url: str | None = None) -> Client:
    """A client with API_KEY, of the API at ``url``; None: of the stack on this machine."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    return Client(url or base_url(settings), key)


def _given(**options: str | float | None) -> Json:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}


def _address(of: str, name: str) -> str:
    return f"/v1/{of}/{quote(name, safe='')}"


def _rewind(request: Mapping[str, Any]) -> None:
    for _, content in request.get("files", {}).values():
        content.seek(0)
