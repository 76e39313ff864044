"""The API at an address: calls that are sent again when it puts them off, lists, and streams of events."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, Self
from uuid import uuid4

import httpx

from cli.patience import SECONDS, Patience
from cli.problems import error_of
from rag.errors import ErrorTable, Overloaded, TimedOut, Transient, Unavailable, translated
from rag.model import Json

ERRORS: ErrorTable = {httpx.TimeoutException: TimedOut, httpx.TransportError: Unavailable}
LONG_POLL_SECONDS = 30

_PATIENCE: Mapping[type[Transient], float] = {Overloaded: 3600.0, Unavailable: SECONDS}
"""Seconds that a call is sent again for: a full queue moves, a part that is away may not come back."""

_MARGIN_SECONDS = 30.0
_PAGE = 100


@dataclass(frozen=True, slots=True)
class _Event:
    """Of a job; without a kind: there are no more."""

    id: str = ""
    kind: str = ""
    data: Json = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        return cls(fields.get("id", ""), fields.get("event", "message"), json.loads(fields["data"]))

    @property
    def told(self) -> tuple[tuple[str, Json], ...]:
        """Kind and data, where there are any."""
        return ((self.kind, self.data),) if self.kind else ()

    @property
    def is_last(self) -> bool:
        return self.kind in ("", "result", "error") or self.data.get("state") == "cancelled"


_ALL_TOLD = _Event()


class Connection:
    """One API. Raises the error that a problem's ``type`` names, Unavailable when nobody answers.

    What the API puts off (429, 503 with Retry-After) is sent again when it says: for an hour
    while it is full, for five minutes while a part of it is away.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        home: Path | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``home``: of the stack that is meant, where it is one of this machine."""
        self.url = url.rstrip("/")
        self._stack = f"the stack in {home}" if home else "the stack"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(LONG_POLL_SECONDS + _MARGIN_SECONDS, connect=5.0)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, transport=transport)
        self._stopped = Event()

    def close(self) -> None:
        self.stop()
        self._http.close()

    def stop(self) -> None:
        """End what other threads wait for: what was put off is not sent again."""
        self._stopped.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def events(self, job_id: str) -> Iterator[tuple[str, Json]]:
        """The job's events, (kind, data), to its end; a lost connection is taken up where it broke.

        Transient when there was no sign of the API for five minutes.
        """
        seen, patience = "", Patience()
        while True:
            try:
                for event in self._stream(job_id, seen, patience.heard):
                    seen = event.id
                    patience.learned()
                    yield from event.told
                    if event.is_last:
                        return
            except Transient as error:
                if self._nap(patience.pause(error)):
                    raise
            else:
                if self._nap(patience.pause()):
                    return

    def _items(self, path: str, **wanted: str | None) -> Iterator[Json]:
        """Every item of a listing, page by page."""
        params: Json = {"limit": _PAGE, **given(**wanted)}
        while True:
            page = self._call("GET", path, params=params)
            yield from page["items"]
            if page["next"] is None:
                return
            params["cursor"] = page["next"]

    def _stream(self, job_id: str, after: str, heard: Callable[[], None]) -> Iterator[_Event]:
        """As long as one connection lasts. ``heard`` is called for each line, comments among them."""
        headers = {"Last-Event-ID": after} if after else {}
        with (
            self._translated(),
            self._http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise error_of(answer)
            if answer.status_code == httpx.codes.NO_CONTENT:
                yield _ALL_TOLD
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                heard()
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield _Event.of(fields)
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
        return translated(ERRORS, f"the API at {self.url} (is {self._stack} up? `aegis up` starts it)")


def given(**options: str | float | None) -> Json:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}


def _rewind(request: Mapping[str, Any]) -> None:
    for _, content in request.get("files", {}).values():
        content.seek(0)
