"""Flower with the checks that it lacks: ``python -m cli.supervisor.flower``, with Flower's own options.

Flower 2.2 never checks the Host of a request, and checks the page it comes from only with a
password. It asks nobody for a password at /metrics. It has no option for any of these, so this
module puts a check before its own handlers. It has no limits for connections either: tornado
would accept 100 MB for each before any check, and wait an hour for a header and without end for
a body.
"""

import atexit
import logging
import re
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from flower.app import Flower
from flower.command import apply_env_options, apply_options, extract_settings, sigterm_handler
from flower.options import options
from flower.urls import settings as of_tornado
from flower.views.monitor import Healthcheck, Metrics
from tornado.escape import xhtml_escape
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import OutputTransform, RequestHandler, authenticated

from rag.access.origins import OriginPolicy, RequestContext
from rag.settings import load
from rag.startup import log_as, require_closed_flower, starting
from rag.system.folders import private_folder
from rag.web.addresses import http_url
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

_JOB_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_DELIVERY = re.compile(rf"({_JOB_ID})\.[a-z_]+\.")
"""The id of a bell's task: the job that it rings for, and the job's stage. See tasks.publishing.bells."""

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


class JobLinks(OutputTransform):
    """Makes the address of a job's page a link. Flower escapes what it shows of a task, so it can be none."""

    def __init__(self, console: str, _request: HTTPServerRequest) -> None:
        address = xhtml_escape(job_page(console, "")).encode()
        self._shown = re.compile(rb"(?<=<code>)" + re.escape(address) + _JOB_ID.encode() + rb"(?=</code>)")

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        if finishing and headers.get("Content-Type", "").startswith("text/html"):
            chunk = self._shown.sub(rb'<a href="\g<0>">\g<0></a>', chunk)
            headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk


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


class ClosedMetrics(Metrics):  # type: ignore[misc]  # Flower ships no types
    """Flower's figures, for those who may see its pages."""

    @authenticated
    async def get(self) -> None:
        await super().get()


class GuardedFlower(Flower):  # type: ignore[misc]  # Flower ships no types
    """Flower that refuses what ``policy`` refuses; its API too, when it does not ask who comes.

    ``/healthcheck`` and ``/metrics`` are there with and without the prefix of the pages, so that those who
    probe and scrape need not know it. ``open_metrics``: the figures ask for no password. ``console``: the
    console's address.
    """

    def __init__(self, policy: OriginPolicy, *, console: str, open_metrics: bool, **settings: object) -> None:
        super().__init__(transforms=[IsolationHeaders, partial(JobLinks, console)], **settings)
        self._policy = policy
        self._prefix = f"/{self.options.url_prefix}" if self.options.url_prefix else ""
        self._locked = not (self.options.basic_auth or self.options.auth)
        self._monitoring = {
            "/healthcheck": Healthcheck,
            "/metrics": Metrics if open_metrics else ClosedMetrics,
        }

    def find_handler(self, request: HTTPServerRequest, **others: object) -> HTTPMessageDelegate:
        refusal, path = self._policy.refusal(_context(request)), request.path or ""
        own = path.removeprefix(self._prefix)
        handler, answer = self._monitoring.get(own), {}
        if refusal is not None:
            handler, answer = Refusal, {"status": 403, "text": f"{refusal.title}. {refusal.detail}"}
        elif self._locked and own.startswith("/api/"):
            handler, answer = Refusal, {"status": 401, "text": _NO_API}
        if handler is None:
            return super().find_handler(request, **others)  # type: ignore[no-any-return]  # the same
        return self.get_handler_delegate(request, handler, answer)  # type: ignore[no-any-return]  # the same

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


def job_page(console: str, job_id: str) -> str:
    """The address of a job's page in the console at ``console``."""
    return f"{console}/console/job.html#{job_id}"


def formatter(console: str) -> Callable[[Any], Any]:
    """Returns a function that formats a task for Flower's pages. ``console``: the console's address.

    A delivery has no arguments. In their place is the page of the job that it was sent for, which the
    beginning of its id names.
    """

    def format_task(task: Any) -> Any:
        job = _DELIVERY.match(task.uuid or "")
        if job is not None:
            task.args = job_page(console, job[1])
        return task

    return format_task


def main() -> None:
    """Run Flower as ``celery flower`` does, until SIGTERM."""
    with starting("Flower"):
        settings = load()
        require_closed_flower(settings)
    apply_env_options()
    apply_options(sys.argv[0], sys.argv[1:])
    extract_settings()
    log_as("flower", settings)
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    if options.persistent:
        private_folder(Path(options.db).parent)
    console = (settings.console_url or http_url(settings.listen_host, settings.api_port)).rstrip("/")
    options.format_task = formatter(console)
    policy = OriginPolicy.of(settings, anonymous=not settings.flower_closed, origins=(), guarded="/")
    flower = GuardedFlower(
        policy,
        console=console,
        open_metrics=settings.flower_open_metrics,
        capp=app,
        options=options,
        **of_tornado,
    )
    atexit.register(flower.stop)
    signal.signal(signal.SIGTERM, sigterm_handler)
    flower.start_http_server()
    try:
        flower.start()
    except (KeyboardInterrupt, SystemExit):
        return


if __name__ == "__main__":
    main()
