"""Query parameters that a route does not know are refused, as unknown fields of a body are."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

Known = Mapping[Callable[..., Any], tuple[str, ...]]
"""What each endpoint takes, by the names that callers write."""


def known_parameters(routes: Iterable[BaseRoute]) -> Known:
    return {route.endpoint: _names(route) for route in routes if isinstance(route, APIRoute)}


def _names(route: APIRoute) -> tuple[str, ...]:
    fields = get_flat_params(route.dependant)
    return tuple(field.alias for field in fields if isinstance(field.field_info, Query))


async def refuse_unknown(request: Request) -> None:
    """RequestValidationError for a parameter that the request's route does not have."""
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
