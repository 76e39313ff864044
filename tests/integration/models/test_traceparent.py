"""Each server that a job calls gets the trace in a ``traceparent`` header."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from rag.errors import AegisError
from rag.settings import Settings
from rag.telemetry.tracing import step
from rag.vectors.qdrant.nodes import nodes_of
from workers.embedding.ollama import OllamaEmbedder
from workers.generation.chat import ChatServer
from workers.ollama.replica import Replica

Seen = list[str | None]


@pytest.fixture(autouse=True)
def _spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield
    provider.shutdown()


@contextmanager
def listening() -> Iterator[tuple[str, Seen]]:
    """A server that refuses everything, and the ``traceparent`` of each request."""
    seen: Seen = []

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("traceparent"))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = do_GET  # noqa: N815 - the names that the base looks for

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


async def complete(url: str) -> None:
    async for _ in ChatServer(f"{url}/v1").completion("tiny", []):
        pass


def embed(url: str) -> None:
    OllamaEmbedder([Replica(url, "tiny", "1m", 5.0)], 8).embed_passages(["text"])


def provide(url: str) -> None:
    asyncio.run(Replica(url, "tiny", "1m", 5.0).provide(pull=False))


def list_collections(url: str) -> None:
    nodes_of(Settings(qdrant_url=url)).call(lambda client: client.get_collections(), 0.0)


@pytest.mark.parametrize(
    "call", [lambda url: asyncio.run(complete(url)), embed, provide, list_collections],
    ids=["openai", "ollama-embed", "ollama", "qdrant"],
)  # fmt: skip
def test_a_server_over_http_is_told_the_span_that_called_it(call: Callable[[str], None]) -> None:
    with listening() as (url, seen):
        with step("call"):
            span = trace.get_current_span().get_span_context()
            with suppress(AegisError):
                call(url)
        with suppress(AegisError):
            call(url)

    assert f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" in seen
    assert seen[-1] is None, "outside of a trace there is nothing to tell"


def test_qdrant_over_grpc_is_told_it_too() -> None:
    seen: Seen = []

    class Noting(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
        def service(self, details: grpc.HandlerCallDetails) -> None:
            seen.append(dict(details.invocation_metadata).get("traceparent"))

    server = grpc.server(ThreadPoolExecutor(1), handlers=(Noting(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        settings = Settings(qdrant_url="http://127.0.0.1:1", qdrant_grpc=True, qdrant_grpc_port=port)
        with step("call"), suppress(AegisError):
            span = trace.get_current_span().get_span_context()
            nodes_of(settings).call(lambda client: client.get_collections(), 0.0)
    finally:
        server.stop(0)

    assert f"{span.trace_id:032x}" in (seen[0] or "")
