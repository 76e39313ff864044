"""From settings to the clients of a Qdrant server."""

import math
import ssl
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import httpx
from qdrant_client import QdrantClient

from rag.settings import Settings
from rag.stores.vectors.qdrant.nodes import Nodes

_CONNECT_SECONDS = 2.0
_KEEPALIVE = {
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": int(_CONNECT_SECONDS * 1000),
    "grpc.max_reconnect_backoff_ms": 500,
}


def nodes_of(settings: Settings) -> Nodes:
    """The addresses in QDRANT_URL. Opens no connection."""
    openers = {address: partial(_opened, address, settings) for address in settings.qdrant_addresses}
    return Nodes(openers, settings.qdrant_timeout)


def stream_to(address: str, settings: Settings, seconds: float) -> httpx.Client:
    """For what qdrant-client would hold in memory whole. ``seconds`` of silence end a request.

    ``address`` is whole, with its port.
    """
    return httpx.Client(
        base_url=address,
        headers=_headers(settings),
        timeout=httpx.Timeout(seconds, connect=_CONNECT_SECONDS),
        verify=_trusting(settings.qdrant_ca_file),
    )


def _opened(address: str, settings: Settings) -> QdrantClient:
    """The key goes as a header, since qdrant-client warns of each client with a key and no TLS."""
    return QdrantClient(
        url=address,
        prefer_grpc=settings.qdrant_grpc,
        grpc_port=settings.qdrant_grpc_port,
        grpc_options={**_KEEPALIVE, **_grpc_trust(settings)},
        headers=_headers(settings),
        check_compatibility=False,  # a warning on stderr; a call that is refused says more
        timeout=math.ceil(settings.qdrant_timeout / len(settings.qdrant_addresses)),
        limits=httpx.Limits(max_connections=settings.connection_pool_size),
        event_hooks={"request": [_connect_soon]},
        **_trust(settings),
    )


def _connect_soon(request: httpx.Request) -> None:
    """A node that is gone without a word costs 2 s, not the time that its longest answer may take."""
    request.extensions["timeout"]["connect"] = _CONNECT_SECONDS


def _headers(settings: Settings) -> dict[str, str]:
    key = settings.qdrant_api_key
    return {"api-key": key.get_secret_value()} if key else {}


def _trust(settings: Settings) -> dict[str, Any]:
    file = settings.qdrant_ca_file
    return {"verify": _trusting(file)} if file else {}


@lru_cache
def _trusting(file: Path | None) -> ssl.SSLContext:
    """Made once: it takes as long as ten small requests."""
    return ssl.create_default_context(cafile=str(file)) if file else httpx.create_ssl_context()


def _grpc_trust(settings: Settings) -> dict[str, Any]:
    file = settings.qdrant_ca_file
    return {"root_certificates": file.read_bytes()} if file else {}
