"""Errors as RFC 9457 ``application/problem+json``: one table from our errors to HTTP status.

A problem's ``type`` is ``urn:aegis:problem:CODE`` and never changes its meaning; it is a URN because there is
no page at it. An unexpected error is logged, and the caller gets only the request id to ask for. The message
of a part that is away may name hosts and paths: it is logged too, and only admins of all collections get it,
as on ``/health/ready``.
"""

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from api.access.access import CALLER, REQUEST_ID, Caller
from api.http.heads import HTTP_PROBLEMS
from rag import errors
from rag.errors import AegisError, InvalidRequest, Transient, Unauthenticated
from rag.model import Json

MEDIA_TYPE = "application/problem+json"

# An error has the status of its nearest ancestor here, 500 without one.
STATUS: Mapping[type[AegisError], HTTPStatus] = {
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.QuotaExceeded: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.UnknownCollection: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.BackupError: HTTPStatus.CONFLICT,
    errors.DocumentTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.DocumentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnexpectedType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.InvalidCursor: HTTPStatus.BAD_REQUEST,
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IdempotencyMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Transient: HTTPStatus.SERVICE_UNAVAILABLE,
}

_RETRY_SECONDS = 2
_MOST_FAULTS = 20  # of one request that the answer lists
_LOGGED = "The service's log holds more under this answer's X-Request-ID"

log = logging.getLogger(__name__)


def status_of(error: AegisError) -> HTTPStatus:
    ancestors = (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return next(ancestors, HTTPStatus.INTERNAL_SERVER_ERROR)


def problem(
    status: int, code: str, title: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """A problem document as a response; ``more`` are extension members."""
    body = {"type": f"urn:aegis:problem:{code}", "title": title, "status": int(status), "detail": detail}
    return JSONResponse({**body, **more}, int(status), headers=headers, media_type=MEDIA_TYPE)


def internal() -> Response:
    return problem(500, AegisError.code, AegisError.title, _LOGGED)


def of_error(error: AegisError, *, operator: bool = False) -> Response:
    """The problem of one of our errors; an unexpected one is logged, and its message is not sent.

    ``operator``: the caller may see hosts, processes and paths.
    """
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("a request failed with an unexpected error", exc_info=error)
        return internal()
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="aegis"'
    elif isinstance(error, Transient):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or _RETRY_SECONDS)))
    detail = str(error) or error.title
    if _is_for_operators(error) and not operator:
        detail = f"Try again later. {_LOGGED}"
    return problem(status, error.code, error.title, detail, headers=headers)


def _is_for_operators(error: AegisError) -> bool:
    """Whether the message may name hosts or paths: it is about a part that is away, or quotes a driver."""
    foreign = error.__cause__ is not None and not isinstance(error.__cause__, AegisError)
    return error.inward or (isinstance(error, Transient) and foreign)


def of_http(error: HTTPException, *, operator: bool = False) -> Response:
    """The problem of what the framework itself refuses: unknown paths, methods, unreadable bodies."""
    if isinstance(error.__cause__, AegisError):
        return of_error(error.__cause__, operator=operator)
    if error.status_code < HTTPStatus.BAD_REQUEST:
        return Response(status_code=error.status_code, headers=error.headers)
    phrase = HTTPStatus(error.status_code).phrase
    code, title = HTTP_PROBLEMS.get(error.status_code, (phrase.lower().replace(" ", "-"), phrase))
    return problem(error.status_code, code, title, str(error.detail), headers=error.headers)


def of_validation(error: RequestValidationError) -> Response:
    """The problem of fields that do not fit the schema: 422, with the first of them and what is wrong.

    ``field`` is its name as a person writes it; a field of a body also has its JSON pointer (RFC 6901).
    """
    told: list[Json] = []
    faults = error.errors()
    for fault in faults[:_MOST_FAULTS]:
        source, *path = fault["loc"]
        field = ".".join(map(str, path)) or str(source)
        message = str(fault["msg"]).removeprefix("Value error, ")
        told.append({"in": str(source), "field": field, "detail": message})
        if source == "body":
            escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
            told[-1]["pointer"] = "#" + "".join(f"/{part}" for part in escaped)
    detail = "; ".join(f"{fault['field']}: {fault['detail']}" for fault in told)
    if (more := len(faults) - len(told)) > 0:
        detail += f"; and {more} more"
    return problem(422, InvalidRequest.code, InvalidRequest.title, detail, errors=told)


def told(error: Exception) -> Json:
    """The problem of a part of a request, as a member of the answer about the whole."""
    if isinstance(error, RequestValidationError):
        response = of_validation(error)
    elif isinstance(error, HTTPException):
        response = of_http(error)
    else:
        response = of_error(error) if isinstance(error, AegisError) else internal()
    found: Json = json.loads(bytes(response.body))
    if isinstance(error, Transient):
        found["retry_after"] = int(response.headers["retry-after"])
    return found


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem."""

    def is_operator(request: Request) -> bool:
        caller: Caller | None = request.scope.get(CALLER)
        return caller is not None and caller.is_operator

    async def aegis_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AegisError)  # noqa: S101 - what the handler is registered for
        if _is_for_operators(error):
            log.warning("request %s: %s", request.scope.get(REQUEST_ID), error)
        return of_error(error, operator=is_operator(request))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is registered for
        return of_http(error, operator=is_operator(request))

    async def validation_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - what the handler is registered for
        return of_validation(error)

    app.add_exception_handler(AegisError, aegis_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)
