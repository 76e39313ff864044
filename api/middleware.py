"""Two pure ASGI layers around the routes: trace every request, end bodies that are too long."""

import logging
import re
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import internal
from rag.errors import AegisError

Observer = Callable[[str, str, int, float], None]

REQUEST_ID = "x-request-id"
REQUEST_ID_IN_SCOPE = "aegis.request_id"
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
        request_id = scope[REQUEST_ID_IN_SCOPE] = _request_id(scope)
        started = first_byte = perf_counter()
        status = 0

        async def traced(message: Message) -> None:
            nonlocal status, first_byte
            if message["type"] == "http.response.start":
                status, first_byte = message["status"], perf_counter()
                message["headers"] = [*message["headers"], (REQUEST_ID.encode(), request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, traced)
        except ClientDisconnect:
            status, first_byte = _CLIENT_GONE, perf_counter()
        except Exception:
            log.exception("unforeseen error in request %s", request_id)
            if status:
                raise  # too late for another answer: the server breaks the connection
            await internal()(scope, receive, traced)
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


def _request_id(scope: Scope) -> str:
    """The caller's id where it is sound, else a new one."""
    sent = Headers(scope=scope).get(REQUEST_ID, "")
    return sent if _SOUND_ID.match(sent) else uuid4().hex


def _route(scope: Scope) -> str:
    """The template of the route that answered; one name for all paths that nothing answers."""
    return str(getattr(scope.get("route"), "path", "none"))


class BodyLimit:
    """Refuses a body with 413 as soon as it is known to be too long, before it is read further.

    ``limit_of``: from a path to bytes and the error that says so.
    """

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], tuple[int, AegisError | None]]) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        left, error = self._limit_of(scope["path"])
        announced = Headers(scope=scope).get("content-length", "0")
        too_long = announced.isdecimal() and int(announced) > left

        async def limited() -> Message:
            nonlocal left
            if not too_long:
                message = await receive()
                left -= len(message.get("body", b""))
            if too_long or left < 0:
                raise HTTPException(413, "The body is over the limit of this call") from error
            return message

        await self._app(scope, limited, send)
