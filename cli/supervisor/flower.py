"""Flower with the checks that it lacks: ``python -m cli.supervisor.flower``, with Flower's own options.

Flower 2.2 never checks the Host of a request, and checks the page it comes from only with a
password. It has no option for either, so this module puts a check before its own handlers. It
has no limits for connections either: tornado would accept 100 MB for each before any check,
and wait an hour for a header and without end for a body.
"""

import atexit
import logging
import signal
import sys
from typing import Any

from flower.app import Flower
from flower.command import apply_env_options, apply_options, extract_settings, sigterm_handler
from flower.options import options
from flower.urls import settings as of_tornado
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import OutputTransform, RequestHandler

from rag.access.origins import OriginPolicy, RequestContext
from rag.settings import load
from rag.startup import log_as, require_closed_flower, starting
from tasks.app import app

_LIMITS = {
    "max_header_size": 32 * 1024,
    "max_body_size": 64 * 1024,
    "max_buffer_size": 256 * 1024,
    "idle_connection_timeout": 10.0,
    "body_timeout": 10.0,
}
"""Limits of a connection, in bytes and seconds, as arguments of tornado's HTTPServer."""

_MOST_CONNECTIONS = 400  # silent ones end after ten seconds

_NO_API = (
    "Flower's API can stop workers and tasks, so it is off without a password: set "
    "FLOWER_BASIC_AUTH=user:password, start the stack again, and send these with each call. "
    "What the API of Aegis offers at /v1/jobs needs no Flower."
)
"""Flower's own sentence names a variable that would open its API to everybody."""


class Refusal(RequestHandler):
    """Answers any request with a status and a sentence."""

    def initialize(self, status: int, text: str) -> None:
        self._status, self._text = status, text

    def check_xsrf_cookie(self) -> None:
        """Not needed: the request is refused."""

    def prepare(self) -> None:
        self.set_status(self._status)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{self._text}\n")


class IsolationHeaders(OutputTransform):
    """Adds headers that keep other sites from framing and embedding these pages."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        headers["X-Frame-Options"] = "DENY"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return super().transform_first_chunk(status_code, headers, chunk, finishing)


class BoundedServer(HTTPServer):
    """Closes connections over the limit: silent ones must not use up memory and file descriptors."""

    _open = 0

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self._open >= _MOST_CONNECTIONS:
            stream.close()
            return
        self._open += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        self._open -= 1
        super().on_close(server_conn)


class GuardedFlower(Flower):  # type: ignore[misc]  # Flower ships no types
    """Flower that refuses what ``policy`` refuses; its API too, when it has no password."""

    def __init__(self, policy: OriginPolicy, **settings: object) -> None:
        super().__init__(transforms=[IsolationHeaders], **settings)
        self._policy = policy
        self._locked = not (self.options.basic_auth or self.options.auth)

    def find_handler(self, request: HTTPServerRequest, **others: object) -> HTTPMessageDelegate:
        refusal = self._policy.refusal(_context(request))
        answer = None
        if refusal is not None:
            answer = {"status": 403, "text": f"{refusal.title}. {refusal.detail}"}
        elif self._locked and (request.path or "").startswith("/api/"):
            answer = {"status": 401, "text": _NO_API}
        if answer is None:
            return super().find_handler(request, **others)  # type: ignore[no-any-return]  # the same
        return self.get_handler_delegate(request, Refusal, answer)  # type: ignore[no-any-return]  # the same

    def start_http_server(self) -> int | None:
        """As Flower's own, with limits. Returns the port; None for a Unix socket."""
        server = BoundedServer(self, ssl_options=self.ssl_options, xheaders=self.options.xheaders, **_LIMITS)
        if self.options.unix_socket:
            server.add_socket(bind_unix_socket(self.options.unix_socket, mode=0o600))
            return None
        sockets = bind_sockets(self.options.port, address=self.options.address)
        server.add_sockets(sockets)
        return int(sockets[0].getsockname()[1])


def _context(request: HTTPServerRequest) -> RequestContext:
    headers = request.headers
    hosts = headers.get_list("Host")
    return RequestContext(
        method=request.method or "",
        path=request.path or "",
        # Two Host headers are an attack on whoever reads only one of them: "" is never allowed.
        host="" if len(hosts) > 1 else hosts[0] if hosts else None,
        origin=headers.get("Origin"),
        site=headers.get("Sec-Fetch-Site"),
        mode=headers.get("Sec-Fetch-Mode"),
    )


def main() -> None:
    """Run Flower as ``celery flower`` does, until SIGTERM."""
    with starting("Flower"):
        ours = load()
        require_closed_flower(ours)
    apply_env_options()
    apply_options(sys.argv[0], sys.argv[1:])
    extract_settings()
    log_as("flower", ours)
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    policy = OriginPolicy.of(ours, anonymous=ours.flower_basic_auth is None, origins=(), guarded="/")
    flower = GuardedFlower(policy, capp=app, options=options, **of_tornado)
    atexit.register(flower.stop)
    signal.signal(signal.SIGTERM, sigterm_handler)
    flower.start_http_server()
    try:
        flower.start()
    except (KeyboardInterrupt, SystemExit):
        return


if __name__ == "__main__":
    main()
