"""What routes declare to OpenAPI beyond their signatures: problems, headers, bodies, the answers of a submit.

Routes read their bodies themselves, after their caller was let in, so FastAPI does not see them.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from api.calls.waiting import LONGEST_WAIT
from api.http.problems import MEDIA_TYPE
from api.schemas.answers import JobOut, Submitted
from api.schemas.bodies import DocumentIn

Responses = dict[int | str, dict[str, Any]]

SCHEMAS = "#/components/schemas/"
_MEANING: Mapping[int, str] = {
    400: "The body cannot be read; of a list, the cursor is of no earlier page",
    401: "A valid API key is needed",
    403: "The key's role or scope does not allow this, or a page of another origin asks",
    404: "There is no such thing",
    408: "The body came too slowly",
    409: "The call does not fit the present state",
    413: "Too large",
    415: "No parser reads this type, or the call takes another Content-Type",
    416: "The range has no byte that exists",
    422: "A field has a value that cannot be used",
    429: "Over the rate limit, or the queue is full; see Retry-After",
    500: "A fault of the service; the log tells more under the answer's X-Request-ID",
    503: "A part of the service is away; see Retry-After",
}
_ALWAYS = (401, 403, 422, 429, 500, 503)
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}

LOCATION = {"headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address"}}}

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


def body_of(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """``openapi_extra`` of a route with a JSON body."""
    content = {"application/json": {"schema": {"$ref": f"{SCHEMAS}{model.__name__}"}}}
    return {"requestBody": {"content": content, **({"required": True} if required else {})}}


def submit_route(*statuses: int, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Options of a route that makes a job: 202, or 200 when the client waited for its end; and problems.

    ``body``: as :func:`body_of` has it; None for a submit without one.
    """
    waited = {"model": JobOut, "description": "With Prefer: wait=N, the job when it ended in time"}
    return {
        "status_code": 202,
        "response_model": Submitted,
        "responses": {200: waited, 202: LOCATION, **problems(*statuses)},
        "openapi_extra": {"parameters": SUBMIT_HEADERS, **(body or {})},
    }


def job_route(model: type[BaseModel], *statuses: int) -> dict[str, Any]:
    """Options of a route that changes jobs: 202 with ``model``, and problems."""
    responses = {202: LOCATION, **problems(*statuses)}
    return {"status_code": 202, "response_model": model, "responses": responses}


def document_body() -> dict[str, Any]:
    """The body of ``POST /v1/documents``: multipart with a file, or JSON without one."""
    fields = DocumentIn.model_json_schema()["properties"]
    form = {
        "file": {"type": "string", "format": "binary", "description": "The document"},
        **{name: dict(field) for name, field in fields.items()},
        "metadata": {"type": "string", "description": "A JSON object", "example": '{"lang": "en"}'},
    }
    text = {"text": "# VPN\n\nThe VPN needs a token.", "collection": "handbook"}
    url = {"url": "https://example.com/vpn.html", "title": "VPN guide"}
    content = {
        "multipart/form-data": {"schema": {"type": "object", "properties": form}},
        "application/json": {
            "schema": {"$ref": f"{SCHEMAS}{DocumentIn.__name__}"},
            "examples": {"text": {"value": text}, "url": {"value": url}},
        },
    }
    return {"requestBody": {"required": True, "content": content}}


def batch_body() -> dict[str, Any]:
    """The body of ``POST /v1/documents:batch``: NDJSON, a form with many files, or a ZIP archive."""
    file = {"type": "string", "format": "binary"}
    form = {
        "file": {"type": "array", "items": file, "description": "A part for each document"},
        "collection": dict(DocumentIn.model_json_schema()["properties"]["collection"]),
        "metadata": {"type": "string", "description": "A JSON object", "example": '{"lang": "en"}'},
    }
    lines = (
        '{"text": "The VPN needs a token.", "document_id": "vpn"}\n'
        '{"text": "The door code is on the board.", "document_id": "door"}\n'
    )
    content = {
        "application/x-ndjson": {"schema": {"type": "string"}, "example": lines},
        "multipart/form-data": {"schema": {"type": "object", "properties": form}},
        "application/zip": {"schema": file},
    }
    return {"requestBody": {"required": True, "content": content}}
