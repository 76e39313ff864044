"""What OpenAPI says beyond what the signatures say: problems, headers, the two forms of a submit."""

import asyncio
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from api.backup_schemas import BackupIn, RestoreIn
from api.bodies import DocumentChangeIn, DocumentIn, QueryIn, ReindexIn
from api.dead_letter_schemas import ReplayIn
from api.key_schemas import KeyIn, RotationIn
from api.problems import MEDIA_TYPE
from api.schemas import JobOut, Problem
from api.waiting import LONGEST_WAIT

_SCHEMAS = "#/components/schemas/"
_BODIES = (BackupIn, DocumentChangeIn, KeyIn, QueryIn, ReindexIn, ReplayIn, RestoreIn, RotationIn)

Responses = dict[int | str, dict[str, Any]]

_MEANING: Mapping[int, str] = {
    400: "The body cannot be read",
    401: "A valid API key is needed",
    403: "The key's role or scope does not allow this, or a page of another origin asks",
    404: "There is no such thing",
    408: "The body came too slowly",
    409: "The call does not fit the present state",
    413: "Too large",
    415: "No parser reads this type",
    422: "A field has a value that cannot be used",
    429: "Over the rate limit, or the queue is full; see Retry-After",
    503: "A part of the service is away; see Retry-After",
}
_ALWAYS = (401, 403, 422, 429, 503)
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}


def problems(*statuses: int) -> Responses:
    """The problem answers of a route: the given ones and those that any /v1 route may give."""
    return {status: _problem(status) for status in sorted({*statuses, *_ALWAYS})}


def _problem(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": _MEANING[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    return {**answer, "headers": _RETRY_AFTER} if status in (429, 503) else answer


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
    schema = {"$ref": f"{_SCHEMAS}{model.__name__}"}
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
                    "schema": schema,
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


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's OpenAPI document with what it cannot see: problems, and the key that /v1 asks for."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (Problem, *_BODIES):
        schema = model.model_json_schema(ref_template=_SCHEMAS + "{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    bearer = {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of API_KEYS, or one that POST /v1/keys made; none is needed until there is one",
    }
    components["securitySchemes"] = {"bearer": bearer}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1/"):
                operation["security"] = [{"bearer": []}]
    return document


def add_description(app: FastAPI) -> None:
    """``/openapi.json``. To build it takes half a second: once, in a thread, at the first request."""
    made, building = app.openapi, asyncio.Lock()
    app.openapi = cache(lambda: completed(made()))  # type: ignore[method-assign]  # FastAPI's documented way
    content = b""

    @app.get("/openapi.json", include_in_schema=False)
    async def description() -> Response:
        nonlocal content
        async with building:
            content = content or await run_in_threadpool(lambda: bytes(JSONResponse(app.openapi()).body))
        return Response(content, media_type="application/json")
