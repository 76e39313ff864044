"""What the ways in which a model server fails mean to us, in one table."""

from collections.abc import Mapping

from rag.errors import AegisError, ModelError, Overloaded, TimedOut, Transient, Unavailable
from rag.retry_after import seconds_to_wait
from workers.responses import words_of

_STATUSES: Mapping[int, tuple[type[AegisError], str]] = {
    400: (ModelError, "the request does not suit the model"),
    401: (ModelError, "the key is wrong: check GENERATOR_API_KEY"),
    402: (ModelError, "the account has no credit left"),
    403: (ModelError, "the key may not use this model: check GENERATOR_API_KEY and GENERATOR_MODEL"),
    404: (ModelError, "no such model or address: check the model's name and the base URL (…/v1)"),
    408: (TimedOut, "the server gave up waiting"),
    413: (ModelError, "the prompt is too long: lower GENERATOR_CONTEXT_TOKENS"),
    422: (ModelError, "the request does not suit the model"),
    429: (Overloaded, "too many requests"),
    503: (Unavailable, "the server is starting or overloaded"),
}


def refusal(url: str, status: int, headers: Mapping[str, str], body: str) -> AegisError:
    """The error that an answer with ``status`` stands for, the server's own words included."""
    fallback = (Unavailable, "the server failed") if status >= 500 else (ModelError, "the server refused")
    kind, meaning = _STATUSES.get(status, fallback)
    message = f"{url}: {status}, {meaning} ({words_of(body)})"
    if issubclass(kind, Transient):
        return kind(message, retry_after=seconds_to_wait(headers))
    return kind(message)
