"""How answers end, and how much of them was written."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Ending:
    """Around the application: an answer that comes before the body's end also ends the connection.

    Else the rest of the body would be read as the next request by one side alone. ``written`` is told of
    the bytes of each piece.
    """

    def __init__(self, cycle: RequestResponseCycle, app: ASGIApp, written: Callable[[int], None]) -> None:
        self._cycle = cycle
        self._app = app
        self._written = written

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if self._cycle.more_body:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
                elif not message.get("more_body", False):
                    self._cycle.keep_alive = True  # the protocol lingers, where uvicorn would close
            await send(message)
            self._written(len(message.get("body", b"")))

        await self._app(scope, receive, sending)
