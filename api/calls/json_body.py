"""The JSON body of a call that was let in: received within limits, scanned, and then parsed."""

import io
from typing import TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from api.calls.auth import Call
from api.incoming.jsontext import TooMuch, scan
from rag.errors import UnexpectedType

Model = TypeVar("Model", bound=BaseModel)

# pydantic lists faults while it holds the interpreter: these take a millisecond.
_MOST_FAULTS = 1000
_PARSED_AT_ONCE = 4096  # bytes that are parsed faster than another thread would take over


async def read_body(call: Call, model: type[Model]) -> Model:
    """The body as ``model``.

    HTTPException 408 and 413, UnexpectedType, RequestValidationError, Overloaded.
    """
    if media_type(call.request) != "application/json":
        raise UnexpectedType("Send the body as application/json")
    body = await call.parts.bodies.receive_small(call.request, call.quota_key)
    if len(body) <= _PARSED_AT_ONCE:
        return parse(body, model)
    return await call.run_in_thread(parse, body, model)


async def read_optional_body(call: Call, model: type[Model]) -> Model:
    """Like :func:`read_body`; no body at all means an empty object."""
    headers = call.request.headers
    if "transfer-encoding" not in headers and headers.get("content-length", "0") == "0":
        return model()
    return await read_body(call, model)


def media_type(request: Request) -> str:
    """The body's, in lower case, without parameters; empty where the request names none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse(body: bytes, model: type[Model]) -> Model:
    """RequestValidationError with each field that does not fit."""
    try:
        scan(io.BytesIO(body), None)
        return model.model_validate_json(body)
    except TooMuch as error:
        raise invalid_body(str(error)) from None
    except ValidationError as error:
        raise invalid_fields(error) from error


def invalid_body(message: str, *where: str) -> RequestValidationError:
    """The error for a body, or for the field of it at ``where``."""
    return RequestValidationError([{"loc": ("body", *where), "msg": message, "type": "value_error"}])


def invalid_fields(error: ValidationError) -> RequestValidationError:
    """The error for a body whose fields do not fit its model."""
    if (count := error.error_count()) > _MOST_FAULTS:
        return invalid_body(f"{count} fields do not fit")
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])
