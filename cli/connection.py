"""The API at an address: calls that are sent again when it puts them off, lists, and streams of events."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Self
from uuid import uuid4

import httpx

from cli.patience import SECONDS, Patience
from cli.problems import StrangerError, error_of
from cli.transport import http_client
from rag.addresses import is_loopback
from rag.errors import (
    AegisError,
    ErrorTable,
    InvalidRequest,
    NoRoom,
    Overloaded,
    TimedOut,
    Transient,
    Unavailable,
    translated,
)
from rag.jsontypes import Json

ERRORS: ErrorTable = {
    httpx.TimeoutException: TimedOut,
    httpx.LocalProtocolError: InvalidRequest,  # such as a file that grew while it was sent
    httpx.TransportError: Unavailable,
}
LONG_POLL_SECONDS = 30

_PATIENCE: Mapping[type[Transient], float] = {Overloaded: 3600.0, NoRoom: 3600.0, Unavailable: SECONDS}
"""Seconds that a call is sent again for, subclasses first: what is full moves, what is away may stay away."""

_MARGIN_SECONDS = 30.0
_PAGE = 100
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Event:
    """Of a job, or of several; without a kind: there are no more."""

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


_ALL_TOLD = Event()


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
        source: str = "the API's address",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``home``: of the stack that is meant, where it is one of this machine; ``source``: what named it.

        ConfigurationError for an address, a proxy or certificates that cannot be used.
        """
        self.url = url.rstrip("/")
        self._stack = f"the stack in {home}" if home else "the stack"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(LONG_POLL_SECONDS + _MARGIN_SECONDS, connect=5.0)
        self._http = http_client(self.url, source, headers=headers, timeout=timeout, transport=transport)
        self._stopped = threading.Event()
        self.delayed: Callable[[AegisError, float], None] = lambda _error, _seconds: None
        """Is told why a call is sent again, and after how many seconds."""

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
                for event in self.stream(f"/v1/jobs/{job_id}/events", {}, seen, patience.note_sign):
                    seen = event.id
                    patience.note_news()
                    yield from event.told
                    if event.is_last:
                        return
            except Transient as error:
                if self.nap(patience.pause(error)):
                    raise
            else:
                if self.nap(patience.pause()):
                    return

    def _items(self, path: str, **wanted: str | Sequence[str] | None) -> Iterator[Json]:
        """Every item of a listing, page by page."""
        params: Json = {"limit": _PAGE, **given(**wanted)}
        while True:
            page = self._call("GET", path, needs=("items", "next"), params=params)
            if not _are_objects(page["items"]):
                raise self._stranger()
            yield from page["items"]
            if page["next"] is None:
                return
            params["cursor"] = page["next"]

    def stream(
        self, path: str, params: Mapping[str, Sequence[str]], after: str, heard: Callable[[], bool | None]
    ) -> Iterator[Event]:
        """The events after ``after``, as long as one connection lasts.

        ``heard`` is called for each line, comments among them; the stream is left where it says False.
        """
        headers = {"Last-Event-ID": after} if after else {}
        with (
            encodable(),
            self._translated(),
            self._http.stream("GET", path, params=params, headers=headers) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise error_of(answer)
            if answer.status_code == httpx.codes.NO_CONTENT:
                yield _ALL_TOLD
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if heard() is False:
                    return
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    yield self._event(fields)
                    fields = {}

    def _event(self, fields: Mapping[str, str]) -> Event:
        try:
            event = Event.of(fields)
        except ValueError as error:
            raise self._stranger() from error
        if not isinstance(event.data, dict):
            raise self._stranger()
        return event

    def _submit(self, path: str, *, key: str | None = None, **request: Any) -> Json:
        """Sent with one Idempotency-Key however often it takes, so that it makes one job.

        ``key``: one that the caller remembers, for a submit whose answer may have been lost.
        """
        headers = {"Idempotency-Key": key or str(uuid4())}
        return self._call("POST", path, needs=("job_id",), headers=headers, **request)

    def _call(self, method: str, path: str, *, needs: Sequence[str] = (), **request: Any) -> Json:
        """The answer, an object with the fields ``needs``. StrangerError for any other."""
        begun = monotonic()
        while True:
            try:
                return self._ours(self._once(method, path, **request), needs)
            except (Overloaded, Unavailable) as error:
                patience = begun + _patience_with(error)
                if error.retry_after is None or monotonic() + error.retry_after > patience:
                    raise
                self.delayed(error, error.retry_after)
                if self.nap(error.retry_after):
                    raise
                _rewind(request)

    def nap(self, seconds: float) -> bool:
        """Whether the client was stopped meanwhile."""
        return self._stopped.wait(seconds)

    def _once(self, method: str, path: str, **request: Any) -> httpx.Response:
        with encodable(), self._translated():
            answer = self._http.request(method, path, **request)
        if answer.is_error:
            raise error_of(answer)
        return answer

    def _ours(self, answer: httpx.Response, needs: Sequence[str]) -> Json:
        try:
            body = answer.json()
        except ValueError as error:
            raise self._stranger() from error
        if not isinstance(body, dict) or not body.keys() >= set(needs):
            raise self._stranger()
        return body

    def _stranger(self) -> StrangerError:
        return StrangerError(f"{self.url} answers, but not as Aegis does: is the address right?")

    def _translated(self) -> Any:
        here = is_loopback(self._http.base_url.host)
        hint = f"is {self._stack} up? `aegis up` starts it" if here else "is that its address?"
        return translated(ERRORS, f"the API at {self.url} ({hint})")


def _are_objects(items: object) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def _patience_with(error: Transient) -> float:
    return next(seconds for kind, seconds in _PATIENCE.items() if isinstance(error, kind))


@contextmanager
def encodable() -> Iterator[None]:
    """InvalidRequest for what was given in bytes that are no UTF-8."""
    try:
        yield
    except UnicodeEncodeError as error:
        shown = error.object[max(0, error.start - _SHOWN) : error.end + _SHOWN]
        raise InvalidRequest(f"{shown!r} is no UTF-8, and the API takes nothing else") from error


def given(**options: str | float | Sequence[str] | None) -> Json:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}


def _rewind(request: Mapping[str, Any]) -> None:
    for _, content, *_ in request.get("files", {}).values():
        content.seek(0)
