"""Pages for people: the console at ``/``, and the API's description at ``/docs`` and ``/redoc``.

Everything they load comes from this server; their Content-Security-Policy keeps it so.
"""

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
OFFLINE = "/static-offline-docs"

_COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
_CONSOLE = {
    **_COMMON,
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
_DOCS = {
    **_COMMON,
    # Swagger UI and ReDoc write scripts and styles into the page, and ReDoc works in a blob worker.
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; worker-src 'self' blob:; base-uri 'none'; frame-ancestors 'none'"
    ),
}


class _Guarded(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_CONSOLE)
        return response


def add_console(app: FastAPI) -> None:
    """``/`` and the files it asks for, under ``/console``."""
    index = (STATIC / "index.html").read_bytes()

    @app.get("/", include_in_schema=False)
    async def console() -> Response:
        return Response(index, headers=_CONSOLE, media_type="text/html")

    app.mount("/console", _Guarded(directory=STATIC), name="console")


def add_docs(app: FastAPI) -> None:
    """``/docs`` and ``/redoc``, from the files that fastapi-offline serves."""
    swagger = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=f"{app.title}: API",
        swagger_js_url=f"{OFFLINE}/swagger-ui-bundle.js",
        swagger_css_url=f"{OFFLINE}/swagger-ui.css",
        swagger_favicon_url="/console/icon.svg",
        swagger_ui_parameters={"validatorUrl": None, "persistAuthorization": True},
    )
    redoc = get_redoc_html(
        openapi_url="/openapi.json",
        title=f"{app.title}: API",
        redoc_js_url=f"{OFFLINE}/redoc.standalone.js",
        redoc_favicon_url="/console/icon.svg",
        with_google_fonts=False,
    )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(swagger.body, headers=_DOCS, media_type="text/html")

    @app.get("/redoc", include_in_schema=False)
    async def redoc_page() -> Response:
        return Response(redoc.body, headers=_DOCS, media_type="text/html")
