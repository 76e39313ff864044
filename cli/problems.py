"""What the API's refusals mean: a problem document back to the error that it was made from."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from rag.errors import AegisError, Overloaded, Transient, Unauthenticated, Unavailable
from rag.printable import one_line


def error_of(answer: httpx.Response) -> AegisError:
    """The error that an ``application/problem+json`` stands for."""
    problem = _problem(answer)
    kind = _BY_CODE.get(str(problem.get("type", "")).rpartition(":")[2], _by_status(answer.status_code))
    message = one_line(str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}"))
    if kind is Unauthenticated:
        message += ". On the command line it is the one in AEGIS_API_KEY, or of a profile"
    if issubclass(kind, Transient):
        return kind(message, retry_after=_seconds(answer.headers.get("Retry-After")))
    return kind(message)


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = answer.json()
    except ValueError:  # a proxy's page
        return {}
    return problem if isinstance(problem, dict) else {}


def _by_status(status: int) -> type[AegisError]:
    return {429: Overloaded, 502: Unavailable, 503: Unavailable, 504: Unavailable}.get(status, AegisError)


def _seconds(header: str | None) -> float | None:
    return float(header) if header and header.isdecimal() else None


def _tree(root: type[AegisError]) -> Iterator[type[AegisError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


_BY_CODE = {kind.code: kind for kind in _tree(AegisError) if "code" in vars(kind)}
