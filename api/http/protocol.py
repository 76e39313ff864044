"""HTTP/1.1 as uvicorn and httptools speak it, with limits on all that comes before a route.

httptools gathers a head of any size, and uvicorn waits for one without end. Here bytes are counted before
the parser gets them: a head is gathered within its limits and parsed once it is whole; a body is parsed in
slices; the next request is parsed after the present one is answered, so that of requests sent ahead only a
bounded part is kept. :class:`api.http.connections.Connections` watches the times.
"""

import asyncio
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import httptools
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api.http.connections import Connections
from api.http.heads import Refusal, check_begin, check_parsed, check_size

_END = b"\r\n\r\n"
_SLICE = 16 * 1024
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class Phase(Enum):
    """What a connection does now. IDLE: nothing of a further request has come yet.

    LINGER: it is over, and bytes that still come are dropped.
    """

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    LINGER = auto()


class _Ahead(Exception):  # noqa: N818 - it ends the parsing of a slice
    """Another request came behind a chunked body, in the same slice."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``connections``: those of this process, with the limits."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.address: str | None = None
        self._all = connections
        self._bounds = connections.bounds
        self._phase = Phase.HEAD
        self._since = self.loop.time()  # begin of the phase; of a later head, its first byte
        self._fresh = True  # no request has come yet
        self._head = b""
        self._ahead = b""  # requests sent ahead
        self._in_head = False
        self._wire = self._payload = 0  # bytes of the body as it came, and without its framing
        self._gathered: list[bytes] = []
        self._announced: int | None = None  # Content-Length; None: chunked
        self._written = self._taken = 0  # bytes of answers, and how many of them the client had read
        self._moved = self._since  # when the client last read enough

    # --- a connection's begin and end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else None
        if not self._all.admit(self, self.loop):
            self._write(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open; come back"))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.forget(self)
        self._head = self._ahead = b""
        super().connection_lost(exc)

    def give_way(self) -> None:
        """End at once."""
        self._enter(Phase.LINGER)
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def check(self, now: float) -> None:
        """End a head that takes too long, a client that does not read, and what has lingered long enough."""
        unsent = self.transport.get_write_buffer_size()
        taken = self._written - unsent
        if not unsent or taken - self._taken >= self._bounds.trickle:
            self._taken, self._moved = taken, now
        elif now - self._moved > self._bounds.stalled_seconds:
            self.transport.abort()
        waited = now - self._since
        if self.transport.is_closing():
            return
        if self._phase is Phase.LINGER and waited > self._bounds.linger_seconds:
            self.transport.close()
        elif self._phase is Phase.HEAD and waited > self._bounds.head_seconds:
            if self._head:
                self._refuse(Refusal(HTTPStatus.REQUEST_TIMEOUT, "The request's head took too long"))
            else:
                self.transport.close()

    # --- what comes in

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer, in pieces of any size."""
        over = self._phase is Phase.LINGER  # named, or mypy takes the phase for constant below
        if over:
            return
        self._unset_keepalive_if_required()
        try:
            while data and not self.transport.is_closing():
                match self._phase:
                    case Phase.IDLE | Phase.HEAD:
                        data = self._take_head(data)
                    case Phase.BODY:
                        data = self._take_body(data)
                    case Phase.ANSWER:
                        self._keep_ahead(data)
                        return
                    case Phase.LINGER:
                        return
        except Refusal as refusal:
            self._refuse(refusal)

    def _keep_ahead(self, data: bytes) -> None:
        """Keep what was sent ahead until the present request is answered."""
        self._ahead += data
        self.flow.pause_reading()
        # A route that waits for its client to leave resumes reading, so this needs a limit too.
        if len(self._ahead) > self._bounds.ahead:
            self.transport.abort()

    def _take_head(self, data: bytes) -> bytes:
        """The rest of ``data`` after the head."""
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEAD)
        if not self._head:
            data = data.lstrip(b"\r\n")
            if data and not self._fresh:
                self._since = self.loop.time()
        searched = max(0, len(self._head) - len(_END) + 1)
        data = self._head + data
        end = data.find(_END, searched)
        if end < 0:
            check_begin(data, self._bounds)
            self._head = data
            return b""
        end += len(_END)
        self._head = b""
        check_size(data[:end], self._bounds)
        self._enter(Phase.BODY)
        self._fresh = False
        self._wire = self._payload = 0
        self._in_head = True
        self._feed(data[:end])
        self._in_head = False
        return data[end:]

    def _take_body(self, data: bytes) -> bytes:
        """The rest of ``data`` after this body, or after a slice of a body whose length is not known."""
        size = _SLICE if self._announced is None else self._announced - self._payload
        piece, rest = data[:size], data[size:]
        self._wire += len(piece)
        self._feed(piece)
        # Chunks of one byte each would cost far more to parse than their content is worth.
        if self._wire - self._payload > self._payload // 4 + self._bounds.framing:
            raise Refusal(HTTPStatus.BAD_REQUEST, "There is more around this body's chunks than in them")
        return rest

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # it asks for another protocol; only this request is answered
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _Ahead):
                self.cycle.keep_alive = False  # so that it is sent again, on another connection
            elif isinstance(error.__context__, Refusal):
                raise error.__context__ from None
            else:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"This is no HTTP: {error}") from None
        self._pass_body()

    def _pass_body(self) -> None:
        """Pass what was gathered of the body on in one piece: uvicorn has a fixed cost for each piece."""
        if not (body := b"".join(self._gathered)):
            return
        self._gathered.clear()
        self._payload += len(body)
        if self._payload > self._bounds.useless_body and self.scope["method"] in _WITHOUT_BODY:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "This method takes no body")
        super().on_body(body)

    # --- what the parser finds

    def on_message_begin(self) -> None:
        if not self._in_head:
            raise _Ahead
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers are skipped: a header that comes after the request was let in was never checked.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        check_parsed(self.parser.get_method(), self.parser.get_http_version(), self.headers)
        length = next((value for name, value in self.headers if name == b"content-length"), None)
        chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        self._announced = None if chunked else int(length or 0)
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # such a client would take the interim answer for the final one
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._gathered.append(body)

    def on_message_complete(self) -> None:
        self._pass_body()
        super().on_message_complete()
        self._enter(Phase.ANSWER)

    # --- what goes out

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Start the application. An answer that comes before the body's end also ends the connection."""

        async def counting_app(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_and_count(message: Message) -> None:
                if cycle.more_body:
                    # Client and server could disagree about where the next request begins.
                    if message["type"] == "http.response.start":
                        message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
                    elif not message.get("more_body", False):
                        cycle.keep_alive = True  # uvicorn would close at once; on_response_complete lingers
                await send(message)
                self._written += len(message.get("body", b""))  # heads are too small to count

            await app(scope, receive, send_and_count)

        super()._start_asgi_task(cycle, counting_app)  # type: ignore[arg-type]  # starlette names the same types otherwise

    def pause_writing(self) -> None:
        super().pause_writing()
        self._all.stops_reading(self, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._all.reads(self)
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Begin the next request; where this one's body has not ended yet, end the connection."""
        if self._phase is Phase.BODY:
            self.server_state.total_requests += 1
            self._linger()
            return
        self._enter(Phase.IDLE)
        super().on_response_complete()
        ahead, self._ahead = self._ahead, b""
        if ahead and not self.transport.is_closing():
            self.data_received(ahead)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with the refusal, unless an answer has begun already, and end the connection."""
        begun = False
        if self.cycle is not None and not self.cycle.response_complete:
            begun = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if begun:
            self.transport.abort()
            return
        self._write(refusal)
        self._linger()

    def _write(self, refusal: Refusal) -> None:
        self.logger.debug("refused %s: %s", self.address, refusal.detail)
        self.transport.write(refusal.answer())

    def _linger(self) -> None:
        """End our side of the connection, and let the client read the answer before the other side ends."""
        self._enter(Phase.LINGER)
        self._head = b""
        # If the socket were closed while bytes come in, the kernel would discard what was written.
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self.flow.resume_reading()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self.loop.time()
        if phase in (Phase.IDLE, Phase.HEAD, Phase.LINGER):
            self._all.waits(self)
        else:
            self._all.works(self)
