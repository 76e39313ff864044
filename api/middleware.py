"""A pure ASGI layer around the routes: traces every request."""

import logging
import re
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

from anyio import BrokenResourceError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import scope as scopes
from api.problems import internal

Observer = Callable[[str, str, int, float], None]

REQUEST_ID = "x-request-id"
_SOUND_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_QUIET = ("/health", "/metrics")
_CLIENT_GONE = 499

log = logging.getLogger(__name__)


class Trace:
    """Gives each request an id, a log line and an observation, and unforeseen errors an answer.

    ``observe`` takes method, route template, status, and seconds to the first byte.
    """

    def __init__(self, app: ASGIApp, observe: Observer | None = None) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[scopes.REQUEST_ID] = _request_id(scope)
        started = first_byte = perf_counter()
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status, first_byte
            if message["type"] == "http.response.start":
                status, first_byte = message["status"], perf_counter()
                message["headers"] = [*message["headers"], (REQUEST_ID.encode(), request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        except ClientDisconnect:
            status, first_byte = _CLIENT_GONE, perf_counter()
        except Exception as error:
            if _is_of_a_reader_gone(error):
                status = _CLIENT_GONE
                return
            log.exception("unforeseen error in request %s", request_id)
            if status:
                raise  # too late for another answer: the server breaks the connection
            await internal()(scope, receive, note_status)
        finally:
            self._note(scope, request_id, status, first_byte - started, perf_counter() - started)

    def _note(self, scope: Scope, request_id: str, status: int, first: float, whole: float) -> None:
        if self._observe is not None:
            self._observe(scope["method"], _route(scope), status, first)
        level = logging.DEBUG if scope["path"].startswith(_QUIET) else logging.INFO
        log.log(
            level,
            "method=%s path=%s status=%d ms=%.1f request_id=%s",
            scope["method"],
            scope.get("raw_path", b"").decode("latin-1"),
            status,
            whole * 1000,
            request_id,
        )


def _is_of_a_reader_gone(error: Exception) -> bool:
    """Whether FastAPI had an event for somebody who has just left the stream, and nothing else is wrong."""
    return isinstance(error, ExceptionGroup) and error.split(BrokenResourceError)[1] is None


def _request_id(scope: Scope) -> str:
    """The caller's id where it is sound, else a new one."""
    sent = Headers(scope=scope).get(REQUEST_ID, "")
    return sent if _SOUND_ID.match(sent) else uuid4().hex


def _route(scope: Scope) -> str:
    """The template of the route that answered; one name for all paths that nothing answers."""
    return str(getattr(scope.get("route"), "path", "none"))
