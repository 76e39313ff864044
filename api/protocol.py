"""HTTP/1.1 as uvicorn and httptools speak it, with bounds on all that comes before a route.

httptools gathers a head without end, and uvicorn waits for one without end. Here bytes are
counted before they reach the parser: a head is gathered within its bounds and parsed once
it is whole; of a body the parser gets a slice at a time; the next request is parsed when the one before
is answered, so that of requests sent ahead no more than one read is kept. Times are kept by
:class:`api.connections.Connections`.
"""

import asyncio
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api.connections import Connections
from api.endings import Ending
from api.heads import Refusal, check_begin, check_parsed, check_size

_END = b"\r\n\r\n"
_SLICE = 16 * 1024
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class Phase(Enum):
    """What a connection is at. LINGER: it is over, and what still comes is thrown away."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    LINGER = auto()


class _Ahead(Exception):  # noqa: N818 - it ends the parsing of a slice
    """A request came behind a chunked body, in the same slice."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``connections``: those of this process, with the bounds."""

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
        self._since = self.loop.time()
        self._fresh = True
        self._head = b""
        self._ahead = b""
        self._in_head = False
        self._wire = self._payload = 0
        self._gathered: list[bytes] = []
        self._announced: int | None = None
        self._written = self._taken = 0
        self._moved = self._since

    # --- a connection's begin and end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else None
        if not self._all.admit(self, self.loop):
            self._say(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections are open; come back"))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.forget(self)
        self._head = b""
        self._ahead = b""
        super().connection_lost(exc)

    def give_way(self) -> None:
        """End at once."""
        self._enter(Phase.LINGER)
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def check(self, now: float) -> None:
        """End a head that takes too long, a reader who does not read, and what has lingered enough."""
        self._check_reader(now)
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

    def _check_reader(self, now: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        taken = self._written - unsent
        if not unsent or taken - self._taken >= self._bounds.trickle:
            self._taken, self._moved = taken, now
        elif now - self._moved > self._bounds.stalled_seconds:
            self.transport.abort()

    # --- what comes in

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer, in whatever pieces."""
        if self._phase is Phase.LINGER:
            return
        self._unset_keepalive_if_required()
        self._advance(data)

    def _advance(self, data: bytes) -> None:
        try:
            while data and not self.transport.is_closing():
                match self._phase:
                    case Phase.HEAD:
                        data = self._take_head(data)
                    case Phase.BODY:
                        data = self._take_body(data)
                    case Phase.ANSWER:
                        self._keep(data)
                        return
                    case Phase.LINGER:
                        return
        except Refusal as refusal:
            self._refuse(refusal)

    def _keep(self, data: bytes) -> None:
        """What was sent ahead, until this request is answered. Whoever waits for its client to leave
        reads on, so what is kept is bounded too."""
        self._ahead += data
        self.flow.pause_reading()
        if len(self._ahead) > self._bounds.ahead:
            self.transport.abort()

    def _take_head(self, data: bytes) -> bytes:
        """What is left of ``data`` behind the head."""
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
        self._begin(data[:end])
        return data[end:]

    def _begin(self, head: bytes) -> None:
        check_size(head, self._bounds)
        self._enter(Phase.BODY)
        self._fresh = False
        self._wire = self._payload = 0
        self._in_head = True
        self._feed(head)
        self._in_head = False

    def _take_body(self, data: bytes) -> bytes:
        """What is left of ``data`` behind this body, or behind a slice of one whose length is not known."""
        size = _SLICE if self._announced is None else self._announced - self._payload
        piece, rest = data[:size], data[size:]
        self._wire += len(piece)
        self._feed(piece)
        if self._wire - self._payload > self._payload // 4 + self._bounds.framing:
            raise Refusal(HTTPStatus.BAD_REQUEST, "There is more around this body's chunks than in them")
        return rest

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # another protocol was wished for; this one request is answered
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _Ahead):
                self.cycle.keep_alive = False  # so that it is sent again, on another connection
            elif isinstance(error.__context__, Refusal):
                raise error.__context__ from None
            else:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"This is no HTTP: {error}") from None
        self._hand_on()

    def _hand_on(self) -> None:
        """What was gathered of the body, in one piece: uvicorn does as much for each as for a large one."""
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
        """Trailers are passed over: nobody may add a header once a request was let in."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        check_parsed(self.parser.get_method(), self.parser.get_http_version(), self.headers)
        length = next((value for name, value in self.headers if name == b"content-length"), None)
        chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        self._announced = None if chunked else int(length or 0)
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False  # it would take the interim answer for the final one
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._gathered.append(body)

    def on_message_complete(self) -> None:
        self._hand_on()
        super().on_message_complete()
        self._enter(Phase.ANSWER)

    # --- what goes out

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, Ending(cycle, app, self._note_written))  # type: ignore[arg-type]  # starlette names the same types otherwise

    def pause_writing(self) -> None:
        super().pause_writing()
        self._all.stops_reading(self, self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._all.reads(self)
        super().resume_writing()

    def _note_written(self, size: int) -> None:
        """``size`` bytes of a body were written; heads are so small that they need not be counted."""
        self._written += size

    def on_response_complete(self) -> None:
        """The next request, unless this one's body is still under way: then the connection ends."""
        if self._phase is Phase.BODY:
            self.server_state.total_requests += 1
            self._linger()
            return
        self._enter(Phase.HEAD)
        super().on_response_complete()
        ahead, self._ahead = self._ahead, b""
        if ahead and not self.transport.is_closing():
            self.data_received(ahead)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer with the refusal where nothing was answered yet, and end the connection."""
        begun = False
        if self.cycle is not None and not self.cycle.response_complete:
            begun = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if begun:
            self.transport.abort()
            return
        self._say(refusal)
        self._linger()

    def _say(self, refusal: Refusal) -> None:
        self.logger.debug("refused %s: %s", self.address, refusal.detail)
        self.transport.write(refusal.answer())

    def _linger(self) -> None:
        """Say that nothing more will be said, and let the peer read it before the end.

        Closing while bytes come in would have the kernel take back what was written.
        """
        self._enter(Phase.LINGER)
        self._head = b""
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self.flow.resume_reading()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = self.loop.time()
        if phase in (Phase.HEAD, Phase.LINGER):
            self._all.waits(self)
        else:
            self._all.works(self)
