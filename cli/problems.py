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


_OURS = "urn:aegis:problem:"
_STRANGE = "HTTP {}, and not in the API's words: is this its address, or does a proxy answer for it?"


def error_of(answer: httpx.Response) -> AegisError:
    """The error that an ``application/problem+json`` of ours stands for, or any other status."""
    problem = _problem(answer)
    code = str(problem.get("type", "")).removeprefix(_OURS)
    told = one_line(str(problem.get("detail") or problem.get("title") or ""))
    kind = _BY_CODE.get(code) or _by_status(answer.status_code, ours=bool(problem))
    message = (told or _STRANGE.format(answer.status_code)) + _AND.get(kind, "")
    if issubclass(kind, Transient):
        return kind(message, retry_after=seconds_to_wait(answer.headers))
    return kind(message)


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = answer.json()
    except ValueError:  # a proxy's page
        return {}
    ours = isinstance(problem, dict) and str(problem.get("type", "")).startswith(_OURS)
    return problem if ours else {}


def _by_status(status: int, *, ours: bool) -> type[AegisError]:
    """That nothing is at a path is the API's to say; a stranger has none of its paths."""
    if not ours and status == httpx.codes.NOT_FOUND:
        return StrangerError
    return _BY_STATUS.get(status, AegisError if ours else StrangerError)


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
