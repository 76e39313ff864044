"""Errors as RFC 9457 ``application/problem+json``: one table from our errors to HTTP status.

A problem's ``type`` is ``urn:aegis:problem:CODE`` and never changes its meaning; nobody
serves a page there, hence a URN. Unexpected errors are logged, and tell the caller
nothing but the request id to ask for. What a part that is away said may name hosts and paths:
that is logged too, and told to admins of all collections alone, as on ``/health/ready``.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from api.access import Caller
from api.refusals import OF_HTTP
from api.scope import CALLER, REQUEST_ID
from rag.errors import (
    AegisError,
    BackupError,
    Conflict,
    DocumentError,
    DocumentTooLarge,
    Forbidden,
    IdempotencyMismatch,
    InvalidCursor,
    InvalidRequest,
    NotFound,
    Overloaded,
    QuotaExceeded,
    Transient,
    Unauthenticated,
    UnexpectedType,
    UnknownCollection,
    UnsupportedMedia,
)
from rag.model import Json

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[type[AegisError], HTTPStatus] = {
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    QuotaExceeded: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    UnknownCollection: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    BackupError: HTTPStatus.CONFLICT,
    DocumentTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    DocumentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnexpectedType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidCursor: HTTPStatus.BAD_REQUEST,
    InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    IdempotencyMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    Transient: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""An error has the status of its nearest ancestor here, 500 without one."""

_RETRY_SECONDS = 2
_MOST_TOLD = 20
"""Faults of one request."""

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


def of_error(error: AegisError, *, operator: bool = False) -> Response:
    """The problem of one of our errors; what is unforeseen is logged and stays inside.

    ``operator``: the caller may know what the service is made of.
    """
    status = status_of(error)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("unforeseen error in a request", exc_info=error)
        return internal()
    detail = str(error) or error.title
    if _is_inward(error) and not operator:
        detail = f"Try again later. {_LOGGED}"
    return problem(status, error.code, error.title, detail, headers=_headers(error))


def _is_inward(error: AegisError) -> bool:
    """Whether the message is for operators: of a part that is away, or with a driver's words in it."""
    foreign = error.__cause__ is not None and not isinstance(error.__cause__, AegisError)
    return error.inward or (isinstance(error, Transient) and foreign)


def internal() -> Response:
    return problem(500, AegisError.code, AegisError.title, _LOGGED)


def of_http(error: HTTPException, *, operator: bool = False) -> Response:
    """The problem of what the framework itself refuses: unknown paths, methods, unreadable bodies."""
    if isinstance(error.__cause__, AegisError):
        return of_error(error.__cause__, operator=operator)
    if error.status_code < HTTPStatus.BAD_REQUEST:
        return Response(status_code=error.status_code, headers=error.headers)
    phrase = HTTPStatus(error.status_code).phrase
    code, title = OF_HTTP.get(error.status_code, (phrase.lower().replace(" ", "-"), phrase))
    return problem(error.status_code, code, title, str(error.detail), headers=error.headers)


def of_validation(error: RequestValidationError) -> Response:
    """The problem of fields that do not fit the schema: 422, with the first of them and what is wrong."""
    faults = error.errors()
    errors = [_fault(fault["loc"], str(fault["msg"])) for fault in faults[:_MOST_TOLD]]
    detail = "; ".join(f"{fault['field']}: {fault['detail']}" for fault in errors)
    if (more := len(faults) - len(errors)) > 0:
        detail += f"; and {more} more"
    return problem(422, InvalidRequest.code, InvalidRequest.title, detail, errors=errors)


def _fault(where: Sequence[str | int], message: str) -> Json:
    """``field`` as a person writes it; of a body also its JSON pointer."""
    source, *path = where
    field = ".".join(str(part) for part in path) or str(source)
    fault: Json = {"in": str(source), "field": field, "detail": message.removeprefix("Value error, ")}
    if source == "body":
        fault["pointer"] = "#" + "".join(f"/{_escaped(part)}" for part in path)
    return fault


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _headers(error: AegisError) -> dict[str, str]:
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="aegis"'}
    if isinstance(error, Transient):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after or _RETRY_SECONDS)))}
    return {}


def _is_of_operator(request: Request) -> bool:
    caller: Caller | None = request.scope.get(CALLER)
    return caller is not None and caller.operates


def install(app: FastAPI) -> None:
    """Have ``app`` answer every error as a problem."""

    async def aegis_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, AegisError)  # noqa: S101 - what the handler is registered for
        if _is_inward(error):
            log.warning("request %s: %s", request.scope.get(REQUEST_ID), error)
        return of_error(error, operator=_is_of_operator(request))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what the handler is registered for
        return of_http(error, operator=_is_of_operator(request))

    async def validation_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - what the handler is registered for
        return of_validation(error)

    app.add_exception_handler(AegisError, aegis_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)
