"""Maps error responses of a server of Jina's schema to errors, by one table.

Errors by https://api.jina.ai/openapi.json, and as its users report them: ``{"detail": …}`` with a
sentence or pydantic's list, or a ``code`` such as ``RATE_TOKEN_LIMIT_EXCEEDED`` beside it.
"""

import re
from collections.abc import Mapping

import httpx

from rag.errors import AegisError, ModelError, Overloaded, TimedOut, Transient, Unavailable
from rag.web.retry_after import seconds_to_wait
from workers.jina.batches import OversizeError
from workers.responses import error_message


class UnfitError(ModelError):
    """The server understands the call and rejects one of its values."""


_STATUSES: Mapping[int, tuple[type[AegisError], str]] = {
    401: (ModelError, "the key is wrong or missing: check JINA_API_KEY"),
    402: (ModelError, "the account has no balance left: top it up"),
    403: (ModelError, "the account has no balance left, or the key of JINA_API_KEY may not do this"),
    404: (
        ModelError,
        "no such address or model: check JINA_BASE_URL (…/v1) and the models' names",
    ),
    408: (TimedOut, "the server gave up waiting"),
    413: (OversizeError, "the call is too large"),
    429: (Overloaded, "too many calls"),
}
_FAILED: tuple[type[AegisError], str] = (Unavailable, "the server failed")
_DOES_NOT_SUIT: tuple[type[AegisError], str] = (UnfitError, "the call does not suit the model")
_MAY_BE_SIZE = (400, 422)
_SIZE = re.compile(
    r"INPUT_TOKEN_LIMIT"
    r"|\b(?:tokens?|texts?|inputs?|items?|lists?|batch|contents?|documents?|length)\b[^.]{0,60}"
    r"\b(?:exceeds?|exceeded|at most|too (?:long|large|many|big)|(?:larger|longer) than)\b"
    r"|\b(?:exceeds?|exceeded|at most|too (?:long|large|many|big))\b[^.]{0,60}"
    r"\b(?:tokens?|texts?|inputs?|items?|documents?|length)\b",
    re.IGNORECASE,
)


def error_of(url: str, response: httpx.Response) -> AegisError:
    """The error for ``response``, with the server's own message."""
    status, said = response.status_code, error_message(response.text)
    if status >= 500:
        kind, meaning = _FAILED
    elif status in _MAY_BE_SIZE and _SIZE.search(said):
        kind, meaning = _STATUSES[413]
    else:
        kind, meaning = _STATUSES.get(status, _DOES_NOT_SUIT)
    message = f"{url}: {status}, {meaning}"
    if issubclass(kind, Transient):
        return kind(message, quote=said, retry_after=seconds_to_wait(response.headers))
    return kind(message, quote=said)
