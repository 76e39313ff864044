"""A model server that follows a script, over HTTP."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Script:
    """What the server does with the next completions, and what it saw."""

    answers: list[Answer] = field(default_factory=list)
    models: tuple[str, ...] = ("tiny",)
    bodies: list[dict[str, object]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    script: Script

    def do_GET(self) -> None:
        self.tell_models()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.keys.append(self.headers.get("Authorization"))
        self.follow_script(body)

    def tell_models(self) -> None:
        body = json.dumps({"data": [{"id": name} for name in self.script.models]}).encode()
        status(200, body)(self)

    def follow_script(self, body: dict[str, object]) -> None:
        self.script.bodies.append(body)
        self.script.answers.pop(0)(self)

    def log_message(self, *args: object) -> None: ...


def status(code: int, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def stream(*pieces: str, end: str = "data: [DONE]\n\n") -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(chunk(piece).encode())
        handler.wfile.write(end.encode())

    return answer


def chunk(piece: str | None) -> str:
    return f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n"


def stalling(script: Script, sent: bytes) -> Answer:
    """Send so much, then nothing until the client hangs up."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(sent)
        script.stalled.set()
        with suppress(ConnectionResetError):
            handler.connection.recv(1)
        script.hung_up.set()

    return answer


@contextmanager
def scripted(handler: type[Handler] = Handler, path: str = "/v1") -> Iterator[Script]:
    """A server on a free port of this machine, until the block ends; its ``url`` ends with ``path``."""
    made = Script()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Scripted", (handler,), {"script": made}))
    made.url = f"http://127.0.0.1:{server.server_port}{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made
    finally:
        made.hung_up.set()
        server.shutdown()
        thread.join()
        server.server_close()
