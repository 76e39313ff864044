"""The nodes of a Qdrant cluster, or the one server: their clients, calls with retries, errors translated.

Source of the error codes: ``StorageError`` in Qdrant's ``lib/storage/src/content_manager/errors.rs``. A 5xx
(INTERNAL) is mostly a node that lost a neighbour, so it counts as Unavailable like a lost connection.
"""

import json
import math
import os
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import httpx
from grpc import RpcError, StatusCode
from qdrant_client import QdrantClient, context_headers
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from rag.errors import (
    AegisError,
    Conflict,
    InvalidRequest,
    Overloaded,
    Refused,
    TimedOut,
    Transient,
    Unavailable,
    UnknownCollection,
)
from rag.settings import Settings
from rag.telemetry.tracing import add_traceparent, trace_headers

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
_TIMEOUTS = (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout)
_KEY_HINT = "it refuses the key: set QDRANT_API_KEY to one that may read, write and make collections"


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Translate the errors of one call to the server at ``address``; what is in no table is Unavailable."""
    try:
        yield
    except ResourceExhaustedResponse as error:
        raise Overloaded(f"Qdrant at {address}: {error}", retry_after=error.retry_after_s) from error
    except UnexpectedResponse as error:
        kind = _BY_STATUS.get(error.status_code, Unavailable)
        hint = _KEY_HINT if kind is Refused else f"HTTP {error.status_code}"
        raise kind(f"Qdrant at {address}: {hint}", quote=_server_message(error.content)) from error
    except (ResponseHandlingException, httpx.TransportError) as error:
        source = error.source if isinstance(error, ResponseHandlingException) else error
        kind = TimedOut if isinstance(source, _TIMEOUTS) else Unavailable
        raise kind(f"Qdrant at {address}: {source or type(source).__name__}") from error
    except RpcError as error:
        kind = _BY_CODE.get(error.code(), Unavailable)
        hint = _KEY_HINT if kind is Refused else error.code().name
        raise kind(f"Qdrant at {address}: {hint}", quote=error.details() or "") from error


def _server_message(content: bytes) -> str:
    """The server's message in ``{"status": {"error": …}}``, else the beginning of the body."""
    try:
        return str(json.loads(content)["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode("utf-8", "replace")


Opener: TypeAlias = Callable[[], QdrantClient]
T = TypeVar("T")


class Nodes:
    """A client for each address, made in each process when first used.

    Calls go to one address as long as it answers, then to the next. Safe for threads and
    forks. A failed call is repeated, since every call may be.
    """

    def __init__(self, openers: Mapping[str, Opener], timeout: float) -> None:
        """``openers``: by address. ``timeout``: seconds within which the other addresses are tried."""
        self._openers = dict(openers)
        self._addresses = tuple(openers)
        self._timeout = timeout
        self._chosen = 0
        self._open = (os.getpid(), dict[str, QdrantClient]())

    def call(self, act: Callable[[QdrantClient], T], patience: float) -> T:
        """The result of ``act`` at the first address where it succeeds.

        Every address is tried once, and then again for ``patience`` seconds. Raises the last
        attempt's error: Unavailable, Overloaded or TimedOut; a Permanent error at once.
        """
        began, attempts = time.monotonic(), 0
        while True:
            address, attempts = self._addresses[self._chosen], attempts + 1
            try:
                with translated(address):
                    clients = self._clients()
                    if address not in clients:
                        clients.setdefault(address, self._openers[address]())
                    with context_headers.headers(trace_headers()):  # over REST and gRPC
                        return act(clients[address])
            except Transient as error:
                if self._addresses[self._chosen] == address:  # else another thread has gone on already
                    self._chosen = (self._chosen + 1) % len(self._addresses)
                # the first round tries the other addresses at once; a pause comes before each later attempt
                pause, limit = 0.0, self._timeout
                if attempts >= len(self._addresses):
                    asked = error.retry_after if isinstance(error, Overloaded) else None
                    pause = (asked or 0.0) + random.uniform(0.1, 0.5)  # noqa: S311 - jitter
                    limit = patience
                if time.monotonic() - began + pause > limit:
                    raise
                time.sleep(pause)

    def close(self) -> None:
        """Close this process's connections; the next call opens new ones."""
        clients = self._clients()
        while clients:
            clients.popitem()[1].close()

    def _clients(self) -> dict[str, QdrantClient]:
        """This process' clients. A forked child must not use its parent's."""
        process, clients = self._open
        if process != os.getpid():
            clients = {}
            self._open = (os.getpid(), clients)
        return clients


_CONNECT_SECONDS = 2.0
_KEEPALIVE = {
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": int(_CONNECT_SECONDS * 1000),
    "grpc.max_reconnect_backoff_ms": 500,
}


def nodes_of(settings: Settings) -> Nodes:
    """The nodes at the addresses in QDRANT_URL. Opens no connection."""
    openers = {address: partial(_open_client, address, settings) for address in settings.qdrant_addresses}
    return Nodes(openers, settings.qdrant_timeout)


def stream_to(address: str, settings: Settings, seconds: float) -> httpx.Client:
    """A client for bodies that qdrant-client would hold in memory as a whole.

    ``address``: with its port. ``seconds`` without data end a request.
    """
    return httpx.Client(
        base_url=address,
        headers=_headers(settings),
        timeout=httpx.Timeout(seconds, connect=_CONNECT_SECONDS),
        verify=_tls_context(settings.qdrant_ca_file),
        event_hooks={"request": [add_traceparent]},
    )


def _open_client(address: str, settings: Settings) -> QdrantClient:
    def limit_connect_time(request: httpx.Request) -> None:
        # an unreachable node costs 2 s, not the time that its longest answer may take
        request.extensions["timeout"]["connect"] = _CONNECT_SECONDS

    file = settings.qdrant_ca_file
    trust: dict[str, Any] = {"verify": _tls_context(file)} if file else {}
    return QdrantClient(
        url=address,
        prefer_grpc=settings.qdrant_grpc,
        grpc_port=settings.qdrant_grpc_port,
        grpc_options={**_KEEPALIVE, **({"root_certificates": file.read_bytes()} if file else {})},
        headers=_headers(settings),
        check_compatibility=False,  # it only warns on stderr; the error of a refused call tells more
        timeout=math.ceil(settings.qdrant_timeout / len(settings.qdrant_addresses)),
        limits=httpx.Limits(max_connections=settings.connection_pool_size),
        event_hooks={"request": [limit_connect_time]},
        **trust,
    )


def _headers(settings: Settings) -> dict[str, str]:
    # as a header, since qdrant-client warns of each client with a key and without TLS
    key = settings.qdrant_api_key
    return {"api-key": key.get_secret_value()} if key else {}


@lru_cache
def _tls_context(file: Path | None) -> ssl.SSLContext:
    # cached, since making one takes as long as ten small requests
    return ssl.create_default_context(cafile=str(file)) if file else httpx.create_ssl_context()
