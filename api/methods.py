"""Which methods a path takes: HEAD wherever there is GET, and OPTIONS (RFC 9110)."""

from copy import copy

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import of_http


def add_methods(app: FastAPI) -> None:
    """To all routes that there are by now; those for HEAD stand last, so that no other is found later."""
    routes = [route for route in app.router.routes if isinstance(route, APIRoute)]
    app.router.routes.extend(_head_of(route) for route in routes if "GET" in (route.methods or ()))
    app.add_exception_handler(405, _other_method)


def _head_of(route: APIRoute) -> APIRoute:
    head = copy(route)
    head.methods, head.include_in_schema, head.app = {"HEAD"}, False, HeadOnly(route.app)
    return head


class HeadOnly:
    """Answers with the head of the application's answer, and ends it there, however long it would go on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})

        await self._app(scope, receive, send_head)


async def _other_method(request: Request, _: Exception) -> Response:
    """204 to OPTIONS, 405 to anything else."""
    allow = {"Allow": ", ".join(sorted(_methods_at(request)))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    return of_http(HTTPException(405, "Allow names the methods that it takes", headers=allow))


def _methods_at(request: Request) -> set[str]:
    found, scope = {"OPTIONS"}, request.scope
    scope = {**scope, "root_path": scope.get("app_root_path", scope["root_path"])}  # a mount was entered
    for route in request.app.router.routes:
        if route.matches(scope)[0] is not Match.NONE:
            found |= {"GET", "HEAD"} if isinstance(route, Mount) else route.methods or set()
    return found
