"""The JSON body of a call that was let in: received within bounds, weighed, and then parsed."""

import io
from typing import TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from api.gate import Call
from api.jsontext import TooMuch, weigh
from rag.errors import UnexpectedType

Model = TypeVar("Model", bound=BaseModel)

_MOST_FAULTS = 1000
"""That are looked at one by one: a millisecond, in which nothing else is done, for whatever thread."""

_AT_ONCE = 4096  # bytes that take the event loop no longer than a change of threads would


async def sent(call: Call, model: type[Model]) -> Model:
    """The body as ``model``.

    HTTPException 408 and 413, UnexpectedType, RequestValidationError, Overloaded.
    """
    if media_type(call.request) != "application/json":
        raise UnexpectedType("Send the body as application/json")
    body = await call.parts.receptions.small(call.request, call.holder)
    if len(body) <= _AT_ONCE:
        return parse(body, model)
    return await call.work(parse, body, model)


async def sent_or_default(call: Call, model: type[Model]) -> Model:
    """Like :func:`sent`; no body at all stands for an empty object."""
    body_follows = "transfer-encoding" in call.request.headers
    if not body_follows and call.request.headers.get("content-length", "0") == "0":
        return model()
    return await sent(call, model)


def media_type(request: Request) -> str:
    """Of the body, in lower case, without parameters; empty where there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def parse(body: bytes, model: type[Model]) -> Model:
    """RequestValidationError with each field that does not fit."""
    try:
        weigh(io.BytesIO(body), None)
        return model.model_validate_json(body)
    except TooMuch as error:
        raise unfit(str(error)) from None
    except ValidationError as error:
        raise refused(error) from error


def unfit(message: str, *where: str) -> RequestValidationError:
    """A body, or a field of it, that is not to be parsed at all."""
    return RequestValidationError([{"loc": ("body", *where), "msg": message, "type": "value_error"}])


def refused(error: ValidationError) -> RequestValidationError:
    if (count := error.error_count()) > _MOST_FAULTS:
        return unfit(f"{count} fields do not fit")
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])
