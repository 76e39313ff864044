"""Encodes and checks the answer of the process that fetches: a line of JSON, and the document behind it.

That process reads a stranger's bytes and may have been taken over by them, so every field is checked.
"""

import json
from collections.abc import Mapping
from typing import Any

from rag.errors import (
    AegisError,
    DocumentTooLarge,
    InvalidRequest,
    NotFound,
    Overloaded,
    TimedOut,
    Transient,
    Unavailable,
    UnsupportedMedia,
)
from rag.fetching.description import LONGEST_RETRY, clean, clean_name
from rag.fetching.order import Fetched
from rag.media import READABLE

LINE_BYTES = 16_384

_LONGEST_MESSAGE = 1_000
_LONGEST_URL = 400
_PROBLEMS: Mapping[str, type[AegisError]] = {
    kind.code: kind
    for kind in (
        DocumentTooLarge,
        InvalidRequest,
        NotFound,
        Overloaded,
        TimedOut,
        Unavailable,
        UnsupportedMedia,
    )
}


def header(fetched: Fetched) -> bytes:
    """The line in front of a document."""
    return _line({"filename": fetched.filename, "media_type": fetched.media_type, "url": fetched.url})


def refusal(error: AegisError) -> bytes:
    """The line in place of a document."""
    later = error.retry_after if isinstance(error, Transient) else None
    return _line({"error": error.code, "message": str(error)[:_LONGEST_MESSAGE], "retry_after": later})


def unpacked(answer: bytearray) -> Fetched:
    """The document of an answer. Raises the error that an answer holds in its place.

    Unavailable for an answer that cannot be read.
    """
    end = answer.find(b"\n", 0, LINE_BYTES)
    try:
        about = json.loads(answer[:end]) if end > 0 else {}
        if "error" in about:
            raise _error_of(about)
        filename = clean_name(str(about["filename"] or ""))
        media_type, url = str(about["media_type"]), clean(str(about["url"]), _LONGEST_URL)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unavailable("The process that fetches ended without an answer") from error
    if media_type not in READABLE:
        raise Unavailable("The process that fetches named a type that no parser reads")
    del answer[: end + 1]
    return Fetched(bytes(answer), filename, media_type, url)


def _error_of(about: dict[str, Any]) -> AegisError:
    kind = _PROBLEMS.get(str(about["error"]), Unavailable)
    message = clean(str(about["message"]), _LONGEST_MESSAGE)
    if issubclass(kind, Transient):
        later = about["retry_after"]
        bounded = isinstance(later, int | float) and 0 <= later <= LONGEST_RETRY
        return kind(message, retry_after=float(later) if bounded else None)
    return kind(message)


def _line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
