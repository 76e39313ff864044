"""What the ways in which a server of Jina's schema fails mean to us, in one table.

Errors by https://api.jina.ai/openapi.json, and as its users report them: ``{"detail": …}`` with a
sentence or pydantic's list, or a ``code`` such as ``RATE_TOKEN_LIMIT_EXCEEDED`` beside it.
"""

import re
from collections.abc import Mapping

import httpx

from rag.errors import AegisError, ModelError, Overloaded, TimedOut, Transient, Unavailable
from rag.retry_after import seconds_to_wait
from workers.jina.batches import OversizeError
from workers.responses import words_of


class UnfitError(ModelError):
    """The server knows the call's form and will not have something in it."""


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
_DOES_NOT_SUIT = (UnfitError, "the call does not suit the model")
_MAY_BE_SIZE = (400, 422)
_SIZE = re.compile(
    r"INPUT_TOKEN_LIMIT"
    r"|\b(?:tokens?|texts?|inputs?|items?|lists?|batch|contents?|documents?|length)\b[^.]{0,60}"
    r"\b(?:exceeds?|exceeded|at most|too (?:long|large|many|big)|(?:larger|longer) than)\b"
    r"|\b(?:exceeds?|exceeded|at most|too (?:long|large|many|big))\b[^.]{0,60}"
    r"\b(?:tokens?|texts?|inputs?|items?|documents?|length)\b",
    re.IGNORECASE,
)


def refusal(url: str, response: httpx.Response) -> AegisError:
    """The error that ``response`` stands for, the server's own words included."""
    said = words_of(response.text)
    kind, meaning = _meaning(response.status_code, said)
    message = f"{url}: {response.status_code}, {meaning} ({said})"
    if issubclass(kind, Transient):
        return kind(message, retry_after=seconds_to_wait(response.headers))
    return kind(message)


def _meaning(status: int, said: str) -> tuple[type[AegisError], str]:
    if status >= 500:
        return Unavailable, "the server failed"
    if status in _MAY_BE_SIZE and _SIZE.search(said):
        return _STATUSES[413]
    return _STATUSES.get(status, _DOES_NOT_SUIT)
