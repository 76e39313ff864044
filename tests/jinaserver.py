"""A server of Jina's schema that checks what it is sent, and misbehaves on demand.

Vectors are hashed bags of words, so that texts with words in common are near each other; relevance is
the share of the question's words that a document holds. ``python -m tests.jinaserver --port N`` serves
until it is told to stop, and prints its base URL when it is ready. What it is to do wrong is POSTed to
``/misbehave`` as ``{"behaviours": ["500", …]}``, one for each of the next calls, and ``GET /seen``
tells what was called.
"""

import argparse
import base64
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rag.text.lexical import coverage, question_features, term_counts

KEY = "jina_test"
DIMENSIONS = {"jina-embeddings-v3": 1024, "jina-embeddings-v2-base-en": 768}
RERANKERS = ("jina-reranker-v2-base-multilingual",)
CONTEXT = 8194
_SLOW_SECONDS = 30.0
_LINGER = socket.SOL_SOCKET, socket.SO_LINGER

Text = Annotated[str, StringConstraints(min_length=1)]


class EmbeddingInput(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    input: Annotated[list[Text], Field(min_length=1, max_length=2048)]
    task: (
        Literal["retrieval.query", "retrieval.passage", "text-matching", "classification", "separation"]
        | None
    ) = None
    dimensions: Annotated[int, Field(ge=1, le=1024)] | None = None
    normalized: bool = True
    late_chunking: bool = False
    truncate: bool = False
    embedding_type: Literal["float", "base64", "binary", "ubinary"] = "float"


class RerankInput(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    query: Text
    documents: Annotated[list[Text], Field(min_length=1, max_length=2048)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool = True


class RefusalError(Exception):
    """What is answered instead: ``status``, ``detail`` and ``headers``."""

    def __init__(self, status: int, detail: Any, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


@dataclass
class Jina:
    """What a server does and has seen. ``most_texts``, ``most_tokens``: of one call, else 413.

    ``behaviours``: of the next calls, in order; see :func:`misbehaved`.
    """

    key: str | None = KEY
    most_texts: int = 2048
    most_tokens: int = 10**9
    takes_base64: bool = True
    seconds: float = 0.0
    behaviours: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def next_behaviour(self) -> str:
        with self.lock:
            return self.behaviours.pop(0) if self.behaviours else ""

    @contextmanager
    def counted(self, path: str, body: dict[str, Any], traceparent: str = "") -> Iterator[None]:
        with self.lock:
            self.calls.append({"path": path, "traceparent": traceparent, **body})
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self.lock:
                self.at_once -= 1

    def texts(self) -> list[str]:
        """Every text that was sent to be embedded, in order."""
        return [text for call in self.calls for text in call.get("input", ())]


def answered(jina: Jina, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        if path.endswith("/embeddings"):
            return _embedded(jina, EmbeddingInput.model_validate(body))
        return _ranked(jina, RerankInput.model_validate(body))
    except ValidationError as error:
        raise RefusalError(422, error.errors(include_url=False, include_context=False)) from error


def tokens_of(text: str) -> int:
    """As a tokenizer that cuts words into pieces of four letters, with the two that frame a text."""
    return 2 + sum(-(-len(word) // 4) for word in text.split())


def _embedded(jina: Jina, asked: EmbeddingInput) -> dict[str, Any]:
    most = DIMENSIONS.get(asked.model)
    if most is None:
        raise RefusalError(400, f"Model '{asked.model}' not found")
    if asked.dimensions and asked.dimensions > most:
        raise RefusalError(422, f"dimensions must be at most {most}")
    if asked.embedding_type == "base64" and not jina.takes_base64:
        raise RefusalError(422, "embedding_type must be one of 'float', 'binary', 'ubinary'")
    tokens = [tokens_of(text) for text in asked.input]
    _check_size(jina, len(asked.input), sum(tokens))
    if not asked.truncate and max(tokens) > CONTEXT:
        raise RefusalError(400, f"Single text cannot exceed {CONTEXT} tokens. {max(tokens)} tokens given.")
    if asked.late_chunking and sum(tokens) > CONTEXT:
        raise RefusalError(400, f"Input texts exceed the context of {CONTEXT} tokens with late chunking")
    vectors = np.stack([vector_of(text, asked.dimensions or most) for text in asked.input])
    if asked.late_chunking:
        vectors = _unit(vectors + 0.3 * vectors.mean(axis=0))
    data = [
        {"object": "embedding", "index": i, "embedding": _encoded(vector, asked.embedding_type)}
        for i, vector in enumerate(vectors)
    ]
    usage = {"total_tokens": sum(tokens), "prompt_tokens": sum(tokens)}
    return {"model": asked.model, "object": "list", "usage": usage, "data": data}


def _ranked(jina: Jina, asked: RerankInput) -> dict[str, Any]:
    if asked.model not in RERANKERS:
        raise RefusalError(400, f"Model '{asked.model}' not found")
    tokens = sum(map(tokens_of, asked.documents)) + len(asked.documents) * tokens_of(asked.query)
    _check_size(jina, len(asked.documents), tokens)
    scores = [overlap(asked.query, document) for document in asked.documents]
    order = sorted(range(len(scores)), key=lambda i: scores[i], reverse=True)[: asked.top_n]
    results: list[dict[str, Any]] = [{"index": i, "relevance_score": scores[i]} for i in order]
    if asked.return_documents:
        for result in results:
            result["document"] = {"text": asked.documents[result["index"]]}
    return {"model": asked.model, "usage": {"total_tokens": tokens}, "results": results}


def _check_size(jina: Jina, texts: int, tokens: int) -> None:
    if texts > jina.most_texts or tokens > jina.most_tokens:
        raise RefusalError(413, "Request Entity Too Large")


def vector_of(text: str, dimension: int) -> np.ndarray:
    """Each word's stem has a random direction; texts without words have one by their letters."""
    terms = {term for feature in question_features(text) if feature.weight == 1 for term in feature.ids}
    terms = terms or {int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=4).digest())}
    directions = [np.random.default_rng(term).standard_normal(dimension) for term in sorted(terms)]
    return _unit(np.sum(directions, axis=0, keepdims=True).astype(np.float32))[0]


def overlap(question: str, document: str) -> float:
    """The share of the question's words in the document, between .02 and .98."""
    return 0.02 + 0.96 * coverage(question_features(question), term_counts(document).keys())


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _encoded(vector: np.ndarray, kind: str) -> Any:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode() if kind == "base64" else vector.tolist()


def misbehaved(answer: dict[str, Any], behaviour: str, body: dict[str, Any]) -> dict[str, Any]:
    """``answer`` with something wrong in it, or RefusalError: a status with seconds to wait as ``429:7``,
    one that repeats what was asked as ``402:echo``."""
    entries = answer.get("data") or answer["results"]
    match behaviour.partition(":"):
        case (status, _, "echo"):
            raise RefusalError(int(status), f"cannot work on {json.dumps(body, ensure_ascii=False)}")
        case (status, _, seconds) if status.isdigit():
            raise RefusalError(int(status), "told to", **({"Retry-After": seconds} if seconds else {}))
        case ("half", _, _):
            del entries[len(entries) // 2 :]
        case ("dimension", _, _):
            entries[0]["embedding"] = [1.0, 0.0, 0.0]
        case ("nan", _, _):
            broken = {"embedding": [float("nan"), *[0.0] * 1023], "relevance_score": float("nan")}
            entries[0] |= {name: broken[name] for name in broken.keys() & entries[0].keys()}
        case ("logits", _, _):
            for entry in entries:
                entry["relevance_score"] = 20 * entry["relevance_score"] - 10
    return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece, or the client waits 40 ms for the second
    jina: Jina

    def do_GET(self) -> None:
        """``/seen``: the calls so far; anything else is not there."""
        if self.path == "/seen":
            return self._send(200, json.dumps(self.jina.calls).encode())
        return self._send(404, b'{"detail": "Not Found"}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/misbehave":
            self.jina.behaviours.extend(body["behaviours"])
            return self._send(200, b"{}")
        with self.jina.counted(self.path, body, self.headers.get("traceparent", "")):
            return self._answer(body)

    def _answer(self, body: dict[str, Any]) -> None:
        behaviour = self.jina.next_behaviour()
        self.jina.stopping.wait(_SLOW_SECONDS if behaviour == "slow" else self.jina.seconds)
        if behaviour == "reset":
            linger = struct.pack("ii", 1, 0)  # no farewell: the peer sees a reset
            self.connection.setsockopt(*_LINGER, linger)
            self.close_connection = True
            return self.connection.close()
        try:
            self._check_caller()
            answer = misbehaved(answered(self.jina, self.path, body), behaviour, body)
        except RefusalError as refused:
            detail = json.dumps({"detail": refused.detail}).encode()
            return self._send(refused.status, detail, refused.headers)
        sent = json.dumps(answer).encode()
        return self._send(200, sent[: len(sent) // 2] if behaviour == "broken" else sent)

    def _check_caller(self) -> None:
        if not self.path.startswith("/v1/"):
            raise RefusalError(404, "Not Found")
        if self.jina.key and self.headers.get("Authorization") != f"Bearer {self.jina.key}":
            raise RefusalError(401, "Unauthorized")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        with suppress(ConnectionError):  # a client that waits no more
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args: object) -> None: ...


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


@contextmanager
def serving(jina: Jina, port: int = 0) -> Iterator[Jina]:
    """The server on this machine, a free port by default, until the block ends."""
    server = Server(("127.0.0.1", port), type("Bound", (Handler,), {"jina": jina}))
    jina.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield jina
    finally:
        jina.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=KEY)
    options = parser.parse_args()
    with serving(Jina(key=options.key), options.port) as jina, suppress(KeyboardInterrupt):
        sys.stdout.write(f"ready: {jina.url}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
