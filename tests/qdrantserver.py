"""A stand-in for a Qdrant server: ``python -m tests.qdrantserver --port N [--api-key KEY]``.

NOT Qdrant. It answers the part of Qdrant's REST API that Aegis calls out of qdrant-client's local
mode: in memory, without HNSW, TLS or gRPC. It is for tests of the HTTP adapter where no server is: it
can be told to be down, to answer any status, to demand a key, to enforce strict mode's refusal of
filters without an index, and to pass for a node of a cluster, with snapshots of the shards that it is
said to hold. Prints ``ready: URL`` once it accepts calls.
"""

import argparse
import json
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from tests.qdrantlocal import LocalQdrant
from tests.qdrantpeer import ROUTES as NODE_ROUTES
from tests.qdrantpeer import Node, Shards

VERSION = "1.18.0-stand-in"


@dataclass(frozen=True)
class Answer:
    """One to give instead of the true one. ``after``: seconds until it comes."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0


class QdrantServer(ThreadingHTTPServer):
    """Listens on a free port, or on ``port``, of ``host``. ``peer``: which node of ``cluster`` it is."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        api_key: str | None = None,
        local: LocalQdrant | None = None,
        peer: int = 1,
        cluster: Shards | None = None,
    ) -> None:
        super().__init__((host, port), _Handler)
        self.local = local or LocalQdrant()
        self.api_key = api_key
        self.node = Node(self.local, peer, cluster)
        self.instead = deque[Answer | None]()  # None: the true one
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(server: QdrantServer) -> Iterator[QdrantServer]:
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: QdrantServer

    def do_GET(self) -> None:
        self._answer()

    do_PUT = do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Silent."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the client broke off
            self.close_connection = True
            return
        path = urlsplit(self.path).path
        self.server.calls.append(f"{self.command} {path}")
        answer = self.server.instead.popleft() if self.server.instead else None
        if answer is not None:
            time.sleep(answer.after)
            self._send(answer.status, {"status": {"error": "told to"}}, answer.headers)
        elif path == "/":
            self._send(200, {"title": "stand-in for qdrant", "version": VERSION})
        elif path == "/readyz":
            self._send(200, "all shards are ready")
        elif self.server.api_key and self.headers.get("api-key") != self.server.api_key:
            self._send(401, {"status": {"error": "Must provide an API key"}})
        else:
            self._serve(path, body)

    def _serve(self, path: str, body: bytes) -> None:
        for (method, pattern), act in {**_ROUTES, **NODE_ROUTES}.items():
            found = pattern.fullmatch(path)
            if method == self.command and found:
                names = [unquote(name) for name in found.groups()]
                told = self.server.node if (method, pattern) in NODE_ROUTES else self.server.local
                self._tell(lambda: act(told, body, *names))  # noqa: B023 - called in this round
                return
        self._send(404, {"status": {"error": f"the stand-in does not know {self.command} {path}"}})

    def _tell(self, act: Callable[[], Any]) -> None:
        try:
            result = act()
        except UnexpectedResponse as error:
            self._send(error.status_code or 500, json.loads(error.content))
        else:
            if isinstance(result, bytes):
                self._send_bytes(result)
            else:
                self._send(200, {"result": _plain(result), "status": "ok", "time": 0.0})

    def _send_bytes(self, data: bytes) -> None:
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start:])

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _plain(result: Any) -> Any:
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json", by_alias=True)
    return [_plain(one) for one in result] if isinstance(result, list) else result


def _create(local: LocalQdrant, body: bytes, name: str) -> bool:
    wanted = models.CreateCollection.model_validate_json(body)
    return local.create_collection(
        name,
        vectors_config=wanted.vectors,
        sparse_vectors_config=wanted.sparse_vectors,
        metadata=wanted.metadata,
        strict_mode_config=wanted.strict_mode_config,
    )


def _update(local: LocalQdrant, body: bytes, name: str) -> bool:
    wanted = models.UpdateCollection.model_validate_json(body)
    return local.update_collection(name, wanted.strict_mode_config, wanted.metadata)


def _index(local: LocalQdrant, body: bytes, name: str) -> models.UpdateResult:
    wanted = models.CreateFieldIndex.model_validate_json(body)
    local.create_payload_index(name, wanted.field_name, wanted.field_schema)
    return _COMPLETED


def _alias(local: LocalQdrant, body: bytes) -> bool:
    return local.update_collection_aliases(models.ChangeAliasesOperation.model_validate_json(body).actions)


def _upsert(local: LocalQdrant, body: bytes, name: str) -> models.UpdateResult:
    return local.upsert(name, models.PointsList.model_validate_json(body).points)


def _delete(local: LocalQdrant, body: bytes, name: str) -> models.UpdateResult:
    return local.delete(name, models.FilterSelector.model_validate_json(body))


def _query(local: LocalQdrant, body: bytes, name: str) -> models.QueryResponse:
    wanted = models.QueryRequest.model_validate_json(body)
    return local.query_points(
        name,
        prefetch=wanted.prefetch,
        query=wanted.query,
        query_filter=wanted.filter,
        limit=wanted.limit or 10,
        with_payload=wanted.with_payload,
    )


def _retrieve(local: LocalQdrant, body: bytes, name: str) -> list[models.Record]:
    wanted = models.PointRequest.model_validate_json(body)
    return local.retrieve(name, wanted.ids, with_payload=wanted.with_payload, with_vectors=wanted.with_vector)


def _scroll(local: LocalQdrant, body: bytes, name: str) -> models.ScrollResult:
    wanted = models.ScrollRequest.model_validate_json(body)
    records, offset = local.scroll(
        name,
        wanted.filter,
        wanted.limit or 10,
        offset=wanted.offset,
        with_payload=wanted.with_payload,
        with_vectors=wanted.with_vector or False,
    )
    return models.ScrollResult(points=records, next_page_offset=offset)


def _count(local: LocalQdrant, body: bytes, name: str) -> models.CountResult:
    return local.count(name, models.CountRequest.model_validate_json(body).filter)


_COMPLETED = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)
_ONE = r"/collections/([^/]+)"
_ROUTES: dict[tuple[str, re.Pattern[str]], Callable[..., Any]] = {
    ("GET", re.compile("/collections")): lambda local, _: local.get_collections(),
    ("POST", re.compile("/collections/aliases")): _alias,
    ("GET", re.compile(_ONE)): lambda local, _, name: local.get_collection(name),
    ("PUT", re.compile(_ONE)): _create,
    ("PATCH", re.compile(_ONE)): _update,
    ("DELETE", re.compile(_ONE)): lambda local, _, name: local.delete_collection(name),
    ("PUT", re.compile(_ONE + "/index")): _index,
    ("PUT", re.compile(_ONE + "/points")): _upsert,
    ("POST", re.compile(_ONE + "/points")): _retrieve,
    ("POST", re.compile(_ONE + "/points/delete")): _delete,
    ("POST", re.compile(_ONE + "/points/query")): _query,
    ("POST", re.compile(_ONE + "/points/scroll")): _scroll,
    ("POST", re.compile(_ONE + "/points/count")): _count,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description="A stand-in for a Qdrant server, for tests.")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--api-key")
    options = arguments.parse_args()
    server = QdrantServer(options.port, host=options.host, api_key=options.api_key)
    sys.stdout.write(f"ready: {server.url} (a stand-in for Qdrant, in memory, for tests only)\n")
    sys.stdout.flush()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
