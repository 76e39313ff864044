"""What the ways in which an Ollama server fails mean to us, in two tables.

Statuses and messages by https://github.com/ollama/ollama/blob/main/docs/api.md and server/routes.go.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ollama import ResponseError

from rag.errors import (
    AegisError,
    ErrorTable,
    ModelError,
    Overloaded,
    TimedOut,
    Unavailable,
    translated,
)
from workers.responses import DRIVER_ERRORS, words_of


class ModelMissingError(ModelError):
    """The server does not have the model."""


class TextTooLongError(ModelError):
    """A text has more tokens than the model's context."""


_DRIVER_ERRORS: ErrorTable = {
    **DRIVER_ERRORS,
    ConnectionError: Unavailable,
    ValueError: ModelError,  # no JSON, or not of Ollama's schema: pydantic's error is one too
}
_STATUSES: Mapping[int, tuple[type[AegisError], str]] = {
    400: (ModelError, "the request does not suit the model"),
    401: (ModelError, "the server wants a key: OLLAMA_API_KEY holds it"),
    403: (ModelError, "the server forbids it"),
    404: (ModelMissingError, "`ollama pull` the model there, or set OLLAMA_PULL=true"),
    408: (TimedOut, "the server gave up waiting"),
    429: (Overloaded, "too many requests"),
    503: (Overloaded, "the server's queue is full"),
}
_IN_THE_STREAM = -1
_CONTEXT = "context length"


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn what ``ollama`` raises into our errors, with the address and what to do."""
    with translated(_DRIVER_ERRORS, url):
        try:
            yield
        except ResponseError as error:
            raise _refusal(url, error) from error


def _refusal(url: str, error: ResponseError) -> AegisError:
    said = words_of(str(error.error))
    if error.status_code == 400 and _CONTEXT in said:
        return TextTooLongError(f"{url}: {said}")
    if error.status_code == _IN_THE_STREAM or (error.status_code >= 500 and error.status_code != 503):
        return Unavailable(f"{url}: the server failed ({said})")
    kind, meaning = _STATUSES.get(error.status_code, (ModelError, "the server refused"))
    return kind(f"{url}: {error.status_code}, {meaning} ({said})")
