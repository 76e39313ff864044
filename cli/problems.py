"""What the API's refusals mean: a problem document back to the error that it was made from."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from rag.errors import (
    AegisError,
    DocumentTooLarge,
    Forbidden,
    InvalidRequest,
    NotFound,
    Overloaded,
    QuotaExceeded,
    TimedOut,
    Transient,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)
from rag.printable import one_line
from rag.retry_after import seconds_to_wait


class BarredError(Forbidden):
    """A 403 that is about no key: a foreign host or origin, or what stands before the API."""


class StrangerError(AegisError):
    """Whoever answers is no Aegis."""


NOT_LET_IN = (Unauthenticated, Forbidden, QuotaExceeded, BarredError, StrangerError)
"""What a 401 or 403 becomes, and an answer of another server: the next call would meet with the same."""

_AND: Mapping[type[AegisError], str] = {
    Unauthenticated: ". On the command line it is the one in AEGIS_API_KEY, or of a profile",
    Forbidden: ". Set AEGIS_API_KEY to a key that may, or choose its profile",
}


_STRANGE = "HTTP {}, and not in the API's words: is this its address, or does a proxy answer for it?"


def error_of(answer: httpx.Response) -> AegisError:
    """The error that an ``application/problem+json`` stands for, or the status of a page without one."""
    problem = _problem(answer)
    code = str(problem.get("type", "")).rpartition(":")[2]
    told = one_line(str(problem.get("detail") or problem.get("title") or ""))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(answer.status_code, AegisError if told else StrangerError)
    message = (told or _STRANGE.format(answer.status_code)) + _AND.get(kind, "")
    if issubclass(kind, Transient):
        return kind(message, retry_after=seconds_to_wait(answer.headers))
    return kind(message)


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = answer.json()
    except ValueError:  # a proxy's page
        return {}
    return problem if isinstance(problem, dict) else {}


_BY_STATUS: Mapping[int, type[AegisError]] = {
    401: Unauthenticated,
    403: BarredError,
    404: NotFound,
    408: TimedOut,
    413: DocumentTooLarge,
    415: UnsupportedMedia,
    422: InvalidRequest,
    429: Overloaded,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def _tree(root: type[AegisError]) -> Iterator[type[AegisError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


_BY_CODE = {kind.code: kind for kind in _tree(AegisError) if "code" in vars(kind)}
