"""ASGI layers around the routes: one traces every request, one keeps other web pages out."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from uuid import uuid4

from anyio import BrokenResourceError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.access import ORIGIN_REFUSED, REQUEST_ID
from api.http.problems import internal, problem
from rag.access.origins import OriginPolicy, RequestContext
from rag.system.log_context import add_log_fields
from rag.system.log_lines import EXTRA
from rag.telemetry.exemplars import Exemplar, trace_exemplar

Observer = Callable[[str, str, int, float, Exemplar | None], None]

_ID_HEADER = "x-request-id"
_SOUND_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_QUIET = ("/health", "/metrics")
_JOBS = b"/v1/jobs/"
_JOB = "aegis.job"  # the scope's key
_CLIENT_GONE = 499  # as nginx logs it

_SECURITY_HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}
_POLICY_READS = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode"})

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Trace:
    """Gives each request an id, a log line and an observation, and answers unexpected errors.

    ``observe`` takes method, route template, status, seconds to the first byte, and the request's trace.
    """

    app: ASGIApp
    observe: Observer | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent_id = Headers(scope=scope).get(_ID_HEADER, "")
        request_id = scope[REQUEST_ID] = sent_id if _SOUND_ID.match(sent_id) else uuid4().hex
        with add_log_fields(request=request_id):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope[REQUEST_ID]
        started = first_byte = perf_counter()
        status, exemplar = 0, None

        async def note_status(message: Message) -> None:
            nonlocal status, first_byte, exemplar
            if message["type"] == "http.response.start":
                # the request's span runs within this layer, so it is found here and not behind the answer
                status, first_byte, exemplar = message["status"], perf_counter(), trace_exemplar()
                scope[_JOB] = _job_of(message)
                message["headers"] = [*message["headers"], (_ID_HEADER.encode(), request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        except ClientDisconnect:
            status, first_byte = _CLIENT_GONE, perf_counter()
        except Exception as error:
            # FastAPI had an event for a client who has just left the stream: nothing else is wrong.
            if isinstance(error, ExceptionGroup) and error.split(BrokenResourceError)[1] is None:
                status = _CLIENT_GONE
                return
            log.exception("the request failed with an unexpected error")
            if status:
                raise  # too late for another answer: the server breaks the connection
            await internal()(scope, receive, note_status)
        finally:
            self._count(scope, status, first_byte - started, exemplar)
            self._log(scope, status, perf_counter() - started)

    def _count(self, scope: Scope, status: int, seconds: float, exemplar: Exemplar | None) -> None:
        if self.observe is not None:
            # One name for all paths that no route answers: a client could make up any number of them.
            route = str(getattr(scope.get("route"), "path", "none"))
            self.observe(scope["method"], route, status, seconds, exemplar)

    def _log(self, scope: Scope, status: int, whole: float) -> None:
        method, path = scope["method"], scope.get("raw_path", b"").decode("latin-1")
        level = logging.DEBUG if scope["path"].startswith(_QUIET) else logging.INFO
        ms = round(whole * 1000, 1)
        told = {"method": method, "path": path, "status": status, "ms": ms}
        if job := scope.get(_JOB):
            told["job"] = job
        log.log(level, "%s %s answered %d in %.1f ms", method, path, status, ms, extra={EXTRA: told})


def _job_of(start: Message) -> str:
    """The id of the job to which an answer leads; "" for none."""
    location = next((value for name, value in start["headers"] if name == b"location"), b"")
    return location.removeprefix(_JOBS).decode("ascii", "replace") if location.startswith(_JOBS) else ""


@dataclass(eq=False, slots=True)
class OriginGuard:
    """Answers 403 to what ``policy`` refuses, and notes why for the audit log: see :mod:`rag.access.origins`.

    It also adds the headers by which browsers isolate pages, where an answer does not have its own.
    """

    app: ASGIApp
    policy: OriginPolicy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                more = [(name, value) for name, value in _SECURITY_HEADERS.items() if name not in own]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        refusal = self.policy.refusal(_context_of(scope))
        if refusal is None:
            await self.app(scope, receive, add_headers)
        else:
            scope[ORIGIN_REFUSED] = refusal.code
            answer = problem(403, refusal.code, refusal.title, refusal.detail)
            await answer(scope, receive, add_headers)


def _context_of(scope: Scope) -> RequestContext:
    # Every request comes through here, and Starlette's Headers would cost more than all the rest.
    told: dict[bytes, str] = {}
    hosts = 0
    for name, value in scope["headers"]:
        if name in _POLICY_READS:
            told[name] = value.decode("latin-1")
            hosts += name == b"host"
    server = scope.get("server")
    return RequestContext(
        method=scope["method"],
        path=scope["path"],
        host="" if hosts > 1 else told.get(b"host"),
        origin=told.get(b"origin"),
        site=told.get(b"sec-fetch-site"),
        mode=told.get(b"sec-fetch-mode"),
        arrived=server[0] if server and server[1] else None,
    )
