"""The API's problem documents, turned back into the errors that they were made from."""

from collections.abc import Iterator, Mapping

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
from rag.system.printable import one_line
from rag.web.jsontypes import Json
from rag.web.retry_after import seconds_to_wait


class BlockedError(Forbidden):
    """A 403 for another reason than the key: a foreign host or origin, or a proxy before the API."""


class NotAegisError(AegisError):
    """The server that answers is not Aegis."""


ACCESS_ERRORS = (Unauthenticated, Forbidden, QuotaExceeded, BlockedError, NotAegisError)
"""What a 401 or 403, or an answer of another server, becomes. The next call would fail in the same way."""

_KEY_HINTS: Mapping[type[AegisError], str] = {
    Unauthenticated: ". On the command line it is the one in AEGIS_API_KEY, or of a profile",
    Forbidden: ". Set AEGIS_API_KEY to a key that may, or choose its profile",
}


_OURS = "urn:aegis:problem:"
_NOT_OURS = "HTTP {}, and not in the API's words: is this its address, or does a proxy answer for it?"


def error_of(answer: httpx.Response) -> AegisError:
    """The error for a problem document of the API, or for any other answer by its HTTP status."""
    try:
        problem = answer.json()
    except ValueError:  # a proxy's page
        problem = {}
    if not (isinstance(problem, dict) and str(problem.get("type", "")).startswith(_OURS)):
        problem = {}
    code = str(problem.get("type", "")).removeprefix(_OURS)
    detail = one_line(str(problem.get("detail") or problem.get("title") or ""))
    kind = _BY_CODE.get(code) or _BY_STATUS.get(answer.status_code, AegisError if problem else NotAegisError)
    if not problem and answer.status_code == httpx.codes.NOT_FOUND:
        kind = NotAegisError  # another server has none of the API's paths
    message = (detail or _NOT_OURS.format(answer.status_code)) + _KEY_HINTS.get(kind, "")
    if issubclass(kind, Transient):
        return kind(message, retry_after=seconds_to_wait(answer.headers))
    return kind(message)


def error_in(problem: Json) -> AegisError:
    """The error for a problem that is a member of an answer."""
    kind = _BY_CODE.get(str(problem.get("type", "")).removeprefix(_OURS), AegisError)
    message = one_line(str(problem.get("detail") or problem.get("title") or ""))
    if issubclass(kind, Transient):
        return kind(message, retry_after=problem.get("retry_after"))
    return kind(message)


_BY_STATUS: Mapping[int, type[AegisError]] = {
    401: Unauthenticated,
    403: BlockedError,
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
