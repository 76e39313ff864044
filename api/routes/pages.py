"""Pages for people: the console at ``/``, and the API's description at ``/docs``.

Everything they load comes from this server: their Content-Security-Policy allows nothing else. Swagger UI is
in ``static/vendor``, as it was released; the page checks its digests.
"""

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parents[1] / "static"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
}
# Swagger UI writes styles into the page.
_STYLED = _POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
_DOCS = {**_HEADERS, "Content-Security-Policy": _STYLED}


class _Guarded(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


def add_console(app: FastAPI) -> None:
    """``/`` and the files it asks for, under ``/console``."""
    index = (STATIC / "index.html").read_bytes()

    @app.get("/", include_in_schema=False)
    async def console() -> Response:
        return Response(index, headers=_HEADERS, media_type="text/html")

    app.mount("/console", _Guarded(directory=STATIC), name="console")


def add_docs(app: FastAPI) -> None:
    """``/docs``: Swagger UI over ``/openapi.json``. ``/redoc``, as FastAPI has it too, leads there."""
    page = (STATIC / "docs.html").read_bytes()

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page, headers=_DOCS, media_type="text/html")

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> Response:
        return RedirectResponse("/docs", headers=_DOCS)
