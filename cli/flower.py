"""Flower behind the checks that it lacks: ``python -m cli.flower OPTION…``, with Flower's own options.

Flower 2.2 asks nobody which Host a request names, and which page it comes from only where it
has a password. It has no option for either, so its application is given a rule before its own.
Nor has it one for what a connection may take: tornado would gather 100 MB for each before any rule
is asked, and wait an hour for a head and for ever for a body.
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

from rag.exposure import require_closed_flower
from rag.origins import OriginPolicy, Refusal, RequestContext
from rag.settings import load
from rag.starting import log_as, starting
from tasks.app import app

_BOUNDS = {
    "max_header_size": 32 * 1024,
    "max_body_size": 64 * 1024,
    "max_buffer_size": 256 * 1024,
    "idle_connection_timeout": 10.0,
    "body_timeout": 10.0,
}
"""What one connection may take, in bytes and seconds, as tornado's HTTPServer names it."""

_MOST_CONNECTIONS = 400
"""Open at once: those that say nothing end after ten seconds."""


class Refused(RequestHandler):
    """Says why a request is refused."""

    def initialize(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def check_xsrf_cookie(self) -> None:
        """It is refused anyway."""

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{self._refusal.title}. {self._refusal.detail}\n")


class Locked(RequestHandler):
    """Says how the API is had: Flower itself names a variable that would open it to everybody."""

    def check_xsrf_cookie(self) -> None:
        """It is refused anyway."""

    def prepare(self) -> None:
        self.set_status(401)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(
            "Flower's API can stop workers and tasks, so it is off without a password: set "
            "FLOWER_BASIC_AUTH=user:password, start the stack again, and send these with each call. "
            "What the API of Aegis offers at /v1/jobs needs no Flower.\n"
        )


class Apart(OutputTransform):
    """Writes what keeps other pages from framing these."""

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
    """Closes what comes over the limit, so that silent connections use up neither memory nor descriptors."""

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
    """Flower that refuses what ``policy`` refuses."""

    def __init__(self, policy: OriginPolicy, **settings: object) -> None:
        super().__init__(transforms=[Apart], **settings)
        self._policy = policy
        self._locked = not (self.options.basic_auth or self.options.auth)

    def find_handler(self, request: HTTPServerRequest, **others: object) -> HTTPMessageDelegate:
        refusal = self._policy.refusal(_context(request))
        if refusal is None and self._locked and (request.path or "").startswith("/api/"):
            return self.get_handler_delegate(request, Locked)  # type: ignore[no-any-return]  # the same
        if refusal is None:
            return super().find_handler(request, **others)  # type: ignore[no-any-return]  # the same
        return self.get_handler_delegate(request, Refused, {"refusal": refusal})  # type: ignore[no-any-return]

    def start_http_server(self) -> int | None:
        """As Flower's own, within bounds; the port, None for a socket's file."""
        server = BoundedServer(self, ssl_options=self.ssl_options, xheaders=self.options.xheaders, **_BOUNDS)
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
        host="" if len(hosts) > 1 else hosts[0] if hosts else None,
        origin=headers.get("Origin"),
        site=headers.get("Sec-Fetch-Site"),
        mode=headers.get("Sec-Fetch-Mode"),
    )


def main() -> None:
    """As ``celery flower`` does it, until SIGTERM."""
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
