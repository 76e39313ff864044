"""A pure ASGI layer against what web pages have browsers do: see :mod:`rag.origins`.

It refuses, and it writes the headers by which browsers keep pages apart, where an answer does
not have its own.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem
from api.scope import TURNED_AWAY
from rag.origins import OriginPolicy, RequestContext

_APART = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


_READ = frozenset({b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode"})


class OriginGuard:
    """Answers 403 to whatever ``policy`` refuses, and notes why for the audit log."""

    def __init__(self, app: ASGIApp, policy: OriginPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def apart(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                more = [(name, value) for name, value in _APART.items() if name not in own]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        refusal = self._policy.refusal(_context(scope))
        if refusal is None:
            await self._app(scope, receive, apart)
        else:
            scope[TURNED_AWAY] = refusal.code
            await problem(403, refusal.code, refusal.title, refusal.detail)(scope, receive, apart)


def _context(scope: Scope) -> RequestContext:
    """Read by hand: it is done for every request, and Starlette's Headers cost more than all the rest."""
    told: dict[bytes, bytes] = {}
    hosts = 0
    for name, value in scope["headers"]:
        if name in _READ:
            told[name] = value
            hosts += name == b"host"
    server = scope.get("server")
    return RequestContext(
        method=scope["method"],
        path=scope["path"],
        host="" if hosts > 1 else told[b"host"].decode("latin-1") if hosts else None,
        origin=_text(told.get(b"origin")),
        site=_text(told.get(b"sec-fetch-site")),
        mode=_text(told.get(b"sec-fetch-mode")),
        arrived=server[0] if server and server[1] else None,
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
