"""A worker's own HTTP server for Prometheus: ``GET /metrics`` at METRICS_PORT, and nothing else."""

import logging
import os
import socket
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from threading import BoundedSemaphore, Thread
from time import sleep
from typing import Any

from rag.telemetry.exposition import asks_for_openmetrics, content_type

MOST_CONNECTIONS = 8
"""Served at once; further ones are closed."""

_IDLE_SECONDS = 10.0  # a client may take for its request, and for reading the page
_RETRY_SECONDS = 2.0

Page = Callable[[bool], bytes]
"""The page, as OpenMetrics when the argument is True."""

log = logging.getLogger(__name__)


def serve(host: str, port: int, page: Page) -> None:
    """Serve ``page`` in a thread of this process, for as long as it lives.

    While another process has the port, as the worker that this one replaces may, it is tried again.
    """
    Thread(target=_serve, args=(host, port, page), name="metrics", daemon=True).start()


def _serve(host: str, port: int, page: Page) -> None:
    server, logged = None, False
    while server is None:
        try:
            server = MetricsServer(host, port, page)
        except OSError as error:
            log.log(
                logging.DEBUG if logged else logging.WARNING,
                "METRICS_PORT: port %d on %s cannot be used yet: %s", port, host, error,
            )  # fmt: skip
            logged = True
            sleep(_RETRY_SECONDS)
    # A child that outlives this process must not keep the port.
    os.register_at_fork(after_in_child=server.socket.close)
    server.serve_forever()


class MetricsServer(ThreadingMixIn, HTTPServer):
    """Listens on ``host`` and ``port``. Each connection has one request, and a thread of its own."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int, page: Page) -> None:
        """Raises OSError when the port cannot be used."""
        self.page = page
        self._places = BoundedSemaphore(MOST_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own looks up the host's name, which may take long
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - its base's signature
        log.debug("a request for the worker's figures failed: %s", sys.exception())


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; http.server bounds the length of its lines and the number of its headers."""

    server: MetricsServer
    timeout = _IDLE_SECONDS
    server_version, sys_version = "aegis", ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        as_openmetrics = asks_for_openmetrics(self.headers.get("Accept", ""))
        body = self.server.page(as_openmetrics)
        self.send_response(200)
        self.send_header("Content-Type", content_type(as_openmetrics=as_openmetrics))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its base's signature
        """Scrapes are not logged."""
