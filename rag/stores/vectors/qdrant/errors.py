"""What qdrant-client raises, as errors of ours: a table for HTTP and one for gRPC.

Source of the codes: ``StorageError`` in Qdrant's ``lib/storage/src/content_manager/errors.rs``. A 5xx
(INTERNAL) is mostly a node that lost its neighbour, so it counts as Unavailable like silence.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
from grpc import RpcError, StatusCode
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from rag.errors import (
    AegisError,
    Conflict,
    InvalidRequest,
    Overloaded,
    Refused,
    TimedOut,
    Unavailable,
    UnknownCollection,
)

_BY_STATUS: Mapping[int | None, type[AegisError]] = {
    400: InvalidRequest,
    401: Refused,
    403: Refused,
    404: UnknownCollection,
    408: TimedOut,
    409: Conflict,
    413: InvalidRequest,
    422: InvalidRequest,
    429: Overloaded,
    504: TimedOut,
}
_BY_CODE: Mapping[StatusCode, type[AegisError]] = {
    StatusCode.INVALID_ARGUMENT: InvalidRequest,
    StatusCode.OUT_OF_RANGE: InvalidRequest,
    StatusCode.UNAUTHENTICATED: Refused,
    StatusCode.PERMISSION_DENIED: Refused,
    StatusCode.NOT_FOUND: UnknownCollection,
    StatusCode.ALREADY_EXISTS: Conflict,
    StatusCode.DEADLINE_EXCEEDED: TimedOut,
    StatusCode.RESOURCE_EXHAUSTED: Overloaded,
}
_SILENCE = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout)
_KEY_HINT = "it refuses the key: set QDRANT_API_KEY to one that may read, write and make collections"


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Around one call to the server at ``address``; whatever is in no table is Unavailable."""
    try:
        yield
    except ResourceExhaustedResponse as error:
        raise Overloaded(f"Qdrant at {address}: {error}", retry_after=error.retry_after_s) from error
    except UnexpectedResponse as error:
        kind = _BY_STATUS.get(error.status_code, Unavailable)
        hint = _KEY_HINT if kind is Refused else f"HTTP {error.status_code}"
        raise kind(f"Qdrant at {address}: {hint} ({_said(error.content)})") from error
    except ResponseHandlingException as error:
        raise _broken_off(address, error.source) from error
    except httpx.TransportError as error:
        raise _broken_off(address, error) from error
    except RpcError as error:
        kind = _BY_CODE.get(error.code(), Unavailable)
        hint = _KEY_HINT if kind is Refused else error.code().name
        raise kind(f"Qdrant at {address}: {hint} ({error.details()})") from error


def _broken_off(address: str, error: Exception) -> AegisError:
    kind = TimedOut if isinstance(error, _SILENCE) else Unavailable
    return kind(f"Qdrant at {address}: {error or type(error).__name__}")


def _said(content: bytes) -> str:
    """The server's own words, out of ``{"status": {"error": …}}`` where it is that."""
    try:
        return str(json.loads(content)["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode("utf-8", "replace")
