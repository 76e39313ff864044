"""A connection to an API: calls that are repeated when it asks for that, listings, streams of events."""

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

from cli.client.problems import NotAegisError, error_of
from cli.client.transport import http_client
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
from rag.web.addresses import is_loopback
from rag.web.jsontypes import Json

ERRORS: ErrorTable = {
    httpx.TimeoutException: TimedOut,
    httpx.LocalProtocolError: InvalidRequest,  # such as a file that grew while it was sent
    httpx.TransportError: Unavailable,
}
LONG_POLL_SECONDS = 30

AWAY_SECONDS = 300.0
"""How long an API may be away: a restart or a new connection takes less."""

_RETRY_SECONDS: Mapping[type[Transient], float] = {
    Overloaded: 3600.0,
    NoRoom: 3600.0,
    Unavailable: AWAY_SECONDS,
}
"""Seconds for which a call is repeated, subclasses first: a full queue empties, a server may stay away."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 16.0
_MARGIN_SECONDS = 30.0
_PAGE = 100
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a job. One without a kind says that no more come."""

    id: str = ""
    kind: str = ""
    data: Json = field(default_factory=dict)

    @property
    def is_last(self) -> bool:
        return self.kind in ("", "result", "error") or self.data.get("state") == "cancelled"


class RetryTimer:
    """For waits of hours: when to try again, and when the API has been silent for too long."""

    def __init__(self) -> None:
        self._pause = _FIRST_PAUSE
        self.note_sign()

    def note_sign(self) -> None:
        """The API is there."""
        self._until = monotonic() + AWAY_SECONDS

    def note_news(self) -> None:
        """The API sent something new, so the next try may come soon."""
        self.note_sign()
        self._pause = _FIRST_PAUSE

    def pause(self, error: Transient | None = None) -> float:
        """Seconds until the next try, longer each time. Raises ``error`` when the last sign is too old."""
        if isinstance(error, Overloaded):
            self.note_sign()
        seconds = (error and error.retry_after) or self._pause
        if error and monotonic() + seconds > self._until:
            raise error
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return seconds


class Connection:
    """One API. Raises the error that a problem's ``type`` names; Unavailable when no server answers.

    A call that is answered by 429 or 503 with Retry-After is sent again at the time that the API
    names: for an hour while the API is full, for five minutes while a part of it is away.
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
        """``home``: AEGIS_HOME of a stack on this machine; ``source``: the setting that names ``url``.

        ConfigurationError for an address, a proxy or certificates that cannot be used.
        """
        self.url = url.rstrip("/")
        self._stack = f"the stack in {home}" if home else "the stack"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(LONG_POLL_SECONDS + _MARGIN_SECONDS, connect=5.0)
        self._http = http_client(self.url, source, headers=headers, timeout=timeout, transport=transport)
        self._stopped = threading.Event()
        self.delayed: Callable[[AegisError, float], None] = lambda _error, _seconds: None
        """Called with the reason why a call is sent again, and after how many seconds."""

    def close(self) -> None:
        self.stop()
        self._http.close()

    def stop(self) -> None:
        """End the waits of other threads: their calls are not sent again."""
        self._stopped.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def events(self, job_id: str) -> Iterator[tuple[str, Json]]:
        """The job's events, (kind, data), to its end. A lost connection is resumed where it broke.

        Transient when there was no sign of the API for five minutes.
        """
        seen, timer = "", RetryTimer()
        while True:
            try:
                for event in self.stream(f"/v1/jobs/{job_id}/events", {}, seen, timer.note_sign):
                    seen = event.id
                    timer.note_news()
                    yield from [(event.kind, event.data)] if event.kind else []
                    if event.is_last:
                        return
            except Transient as error:
                if self.sleep(timer.pause(error)):
                    raise
            else:
                # The stream ended before the job did: a proxy or a restart of the API closed it.
                if self.sleep(timer.pause()):
                    return

    def _items(self, path: str, **wanted: str | Sequence[str] | None) -> Iterator[Json]:
        """Every item of a listing, page by page."""
        params: Json = {"limit": _PAGE, **drop_none(**wanted)}
        while True:
            page = self._call("GET", path, needs=("items", "next"), params=params)
            items = page["items"]
            if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
                raise self._not_aegis()
            yield from items
            if page["next"] is None:
                return
            params["cursor"] = page["next"]

    def stream(
        self, path: str, params: Mapping[str, Sequence[str]], after: str, on_line: Callable[[], bool | None]
    ) -> Iterator[Event]:
        """The events after the id ``after``, until the connection ends.

        ``on_line`` is called for each line, which may be a comment; when it returns False the stream is left.
        """
        headers = {"Last-Event-ID": after} if after else {}
        with (
            require_utf8(),
            self._translated(),
            self._http.stream("GET", path, params=params, headers=headers) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise error_of(answer)
            # 204: the job has ended, and the client has had all of its events.
            if answer.status_code == httpx.codes.NO_CONTENT:
                yield Event()
            # The API puts each event's data on one line, so no field of an event comes twice.
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if on_line() is False:
                    return
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = value.removeprefix(" ")
                elif "data" in fields:
                    data = self._object(fields["data"])
                    yield Event(fields.get("id", ""), fields.get("event", "message"), data)
                    fields = {}

    def _submit(self, path: str, *, key: str | None = None, needs: str = "job_id", **request: Any) -> Json:
        """Every try has the same Idempotency-Key, so that they make one job.

        ``key``: one that the caller remembers, for a submit whose answer may have been lost.
        """
        headers = {"Idempotency-Key": key or str(uuid4())}
        return self._call("POST", path, needs=(needs,), headers=headers, **request)

    def _call(self, method: str, path: str, *, needs: Sequence[str] = (), **request: Any) -> Json:
        """The answer, an object with the fields ``needs``. NotAegisError for any other."""
        began = monotonic()
        while True:
            try:
                with require_utf8(), self._translated():
                    answer = self._http.request(method, path, **request)
                if answer.is_error:
                    raise error_of(answer)
                return self._object(answer.content, needs)
            except (Overloaded, Unavailable) as error:
                until = began + next(each for kind, each in _RETRY_SECONDS.items() if isinstance(error, kind))
                # Without Retry-After the API does not ask for another try.
                if error.retry_after is None or monotonic() + error.retry_after > until:
                    raise
                self.delayed(error, error.retry_after)
                if self.sleep(error.retry_after):
                    raise
                # The try before has read the files: the next one sends them from their start.
                for _, content, *_ in request.get("files", {}).values():
                    content.seek(0)

    def sleep(self, seconds: float) -> bool:
        """Wait; whether the client was stopped meanwhile."""
        return self._stopped.wait(seconds)

    def _object(self, text: str | bytes, needs: Sequence[str] = ()) -> Json:
        """The JSON object in ``text``, with the fields ``needs``. NotAegisError for anything else."""
        try:
            body = json.loads(text)
        except ValueError as error:
            raise self._not_aegis() from error
        if not isinstance(body, dict) or not body.keys() >= set(needs):
            raise self._not_aegis()
        return body

    def _not_aegis(self) -> NotAegisError:
        return NotAegisError(f"{self.url} answers, but not as Aegis does: is the address right?")

    def _translated(self) -> Any:
        # Nobody at a remote address can be told to start the stack.
        here = is_loopback(self._http.base_url.host)
        hint = f"is {self._stack} up? `aegis up` starts it" if here else "is that its address?"
        return translated(ERRORS, f"the API at {self.url} ({hint})")


@contextmanager
def require_utf8() -> Iterator[None]:
    """InvalidRequest for an argument that was given in bytes that are not UTF-8."""
    try:
        yield
    except UnicodeEncodeError as error:
        shown = error.object[max(0, error.start - _SHOWN) : error.end + _SHOWN]
        raise InvalidRequest(f"{shown!r} is no UTF-8, and the API takes nothing else") from error


def drop_none(**options: str | float | Sequence[str] | None) -> Json:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}
