"""What FastAPI's routes lack: unknown query parameters are refused, and each path takes HEAD and OPTIONS."""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.problems import of_http

Known = Mapping[Callable[..., Any], tuple[str, ...]]  # names of query parameters by endpoint


def known_parameters(routes: Iterable[BaseRoute]) -> Known:
    """The query parameters of each endpoint, under the names that callers write."""
    return {
        route.endpoint: tuple(
            field.alias for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)
        )
        for route in routes
        if isinstance(route, APIRoute)
    }


async def refuse_unknown(request: Request) -> None:
    """RequestValidationError for a query parameter that the request's route does not have."""
    if not request.scope["query_string"]:
        return
    known: Known = request.app.state.parameters
    names = known[request.scope["endpoint"]]
    unknown = [name for name in request.query_params if name not in names]
    if unknown:
        takes = f"it takes {', '.join(sorted(names))}" if names else "it takes none"
        raise RequestValidationError(
            [{"loc": ("query", name), "msg": f"is no parameter of this call: {takes}"} for name in unknown]
        )


@dataclass(eq=False, slots=True)
class HeadOnly:
    """Sends the head of the application's answer and drops its body, which may never end."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body"})

        await self.app(scope, receive, send_head)


def add_methods(app: FastAPI) -> None:
    """HEAD wherever there is GET, and OPTIONS (RFC 9110), for all routes that ``app`` has by now."""
    for route in [route for route in app.router.routes if isinstance(route, APIRoute)]:
        if "GET" in (route.methods or ()):
            # Appended after all others: a request for any other method finds its route as soon as before.
            head = copy(route)
            head.methods, head.include_in_schema, head.app = {"HEAD"}, False, HeadOnly(route.app)
            app.router.routes.append(head)
    app.add_exception_handler(405, _answer_other_method)


async def _answer_other_method(request: Request, _: Exception) -> Response:
    """204 to OPTIONS, 405 to any other method that the path does not take."""
    found, scope = {"OPTIONS"}, request.scope
    scope = {**scope, "root_path": scope.get("app_root_path", scope["root_path"])}  # a mount has changed it
    for route in request.app.router.routes:
        if route.matches(scope)[0] is not Match.NONE:
            found |= {"GET", "HEAD"} if isinstance(route, Mount) else route.methods or set()
    allow = {"Allow": ", ".join(sorted(found))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    return of_http(HTTPException(405, "The Allow header lists the methods of this path", headers=allow))
