"""Maps failures of an Ollama server to errors, by two tables: driver errors and statuses.

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
from workers.responses import DRIVER_ERRORS, error_message


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
_IN_STREAM = -1  # the status that `ollama` gives an error within a stream
_CONTEXT = "context length"


@contextmanager
def ollama_errors(url: str) -> Iterator[None]:
    """Translate what ``ollama`` raises into errors of ours, with the address and what to do."""
    with translated(_DRIVER_ERRORS, url):
        try:
            yield
        except ResponseError as error:
            status, message = error.status_code, error_message(str(error.error))
            if status == 400 and _CONTEXT in message:
                raise TextTooLongError(f"{url}: the text is too long", quote=message) from error
            if status == _IN_STREAM or (status >= 500 and status != 503):
                raise Unavailable(f"{url}: the server failed", quote=message) from error
            kind, meaning = _STATUSES.get(status, (ModelError, "the server refused"))
            raise kind(f"{url}: {status}, {meaning}", quote=message) from error
