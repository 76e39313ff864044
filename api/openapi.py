"""What OpenAPI says beyond what the signatures say: problems, headers, the two forms of a submit."""

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from api.bodies import DocumentIn
from api.description import SCHEMAS, complete
from api.problems import MEDIA_TYPE
from api.schemas import JobOut
from api.waiting import LONGEST_WAIT

Responses = dict[int | str, dict[str, Any]]

_MEANING: Mapping[int, str] = {
    400: "The body cannot be read; of a list, the cursor is of no earlier page",
    401: "A valid API key is needed",
    403: "The key's role or scope does not allow this, or a page of another origin asks",
    404: "There is no such thing",
    408: "The body came too slowly",
    409: "The call does not fit the present state",
    413: "Too large",
    415: "No parser reads this type, or the call takes another Content-Type",
    416: "No byte that is there was asked for",
    422: "A field has a value that cannot be used",
    429: "Over the rate limit, or the queue is full; see Retry-After",
    500: "A fault of the service; the log tells more under the answer's X-Request-ID",
    503: "A part of the service is away; see Retry-After",
}
_ALWAYS = (401, 403, 422, 429, 500, 503)
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}


def problems(*statuses: int) -> Responses:
    """The problem answers of a route: the given ones and those that any /v1 route may give."""
    return {status: problem(status) for status in sorted({*statuses, *_ALWAYS})}


def problem(status: int) -> dict[str, Any]:
    """The problem answer with this status."""
    answer: dict[str, Any] = {
        "description": _MEANING[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }
    return {**answer, "headers": _RETRY_AFTER} if status in (429, 503) else answer


def parameter_problems() -> Responses:
    """The problem answers of a route outside /v1, which refuses parameters that it does not know."""
    return {422: problem(422)}


SUBMIT_HEADERS: list[dict[str, Any]] = [
    {
        "name": "Prefer",
        "in": "header",
        "description": f"wait=N: answer 200 with the finished job if it ends in N ≤ {LONGEST_WAIT} seconds",
        "schema": {"type": "string"},
        "example": "wait=20",
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and body give the same job; the same key with another body gives 422",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
]

LOCATION = {"headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address"}}}


def submit_answers(*statuses: int) -> Responses:
    """The answers of a route that makes a job: 202, 200 to who waited for its end, and problems."""
    return {
        200: {"model": JobOut, "description": "With Prefer: wait=N, the job when it ended in time"},
        202: LOCATION,
        **problems(*statuses),
    }


def body_of(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads its body by itself, so that its gate is passed first."""
    schema = {"$ref": f"{SCHEMAS}{model.__name__}"}
    return {
        "requestBody": {
            "content": {"application/json": {"schema": schema}},
            **({"required": True} if required else {}),
        }
    }


def submit_of(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The same of a submit."""
    return {"parameters": SUBMIT_HEADERS, **body_of(model, required=required)}


def submit_body() -> dict[str, Any]:
    """``openapi_extra`` of ``POST /v1/documents``: multipart with a file, or JSON without one."""
    schema = DocumentIn.model_json_schema()
    form = {name: dict(field) for name, field in schema["properties"].items()}
    form["metadata"] = {"type": "string", "description": "A JSON object", "example": '{"lang": "en"}'}
    file = {"type": "string", "format": "binary", "description": "The document"}
    return {
        "parameters": SUBMIT_HEADERS,
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": {"type": "object", "properties": {"file": file, **form}}},
                "application/json": {
                    "schema": {"$ref": f"{SCHEMAS}{DocumentIn.__name__}"},
                    "examples": {
                        "text": {
                            "value": {"text": "# VPN\n\nThe VPN needs a token.", "collection": "handbook"}
                        },
                        "url": {"value": {"url": "https://example.com/vpn.html", "title": "VPN guide"}},
                    },
                },
            },
        },
    }


def add_description(app: FastAPI) -> None:
    """``/openapi.json``. To build it takes half a second: once, in a thread, at the first request."""
    made, building = app.openapi, asyncio.Lock()
    app.openapi = cache(lambda: complete(made()))  # type: ignore[method-assign]  # FastAPI's documented way
    content = b""

    @app.get("/openapi.json", include_in_schema=False)
    async def description() -> Response:
        nonlocal content
        async with building:
            content = content or await run_in_threadpool(lambda: bytes(JSONResponse(app.openapi()).body))
        return Response(content, media_type="application/json")
