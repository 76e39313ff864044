"""/health, /health/live, /health/ready. Open to everybody, and telling nothing that is secret."""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api.parts import Parts
from rag.errors import InvalidRequest, Transient
from rag.model import Json
from tasks.submit import LANES

router = APIRouter(tags=["health"])

BROKER, VECTORS = "broker", "vectors"
COMPONENTS = (BROKER, VECTORS, *LANES)
DISPENSABLE = frozenset({"maintenance"})
"""Without these, jobs still run: their absence shows, and leaves the service ready."""


class Component(BaseModel):
    ready: bool
    essential: bool
    detail: dict[str, object] = Field({}, description="What the component last said of itself")


class Readiness(BaseModel):
    status: Literal["ready", "unready"]
    components: dict[str, Component]


class Health(BaseModel):
    status: Literal["ok", "degraded"]
    version: str
    environment: str
    components: dict[str, bool]


def aegis_version() -> str:
    try:
        return version("aegis-rag")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


@router.get("/health", summary="In short")
def health(request: Request) -> Health:
    """Always 200 while this process answers; `degraded` when a part behind it is missing."""
    parts: Parts = request.app.state.parts
    components = components_of(parts)
    return Health(
        status="ok" if all(c.ready for c in components.values()) else "degraded",
        version=aegis_version(),
        environment=parts.settings.environment,
        components={name: component.ready for name, component in components.items()},
    )


@router.get("/health/live", summary="Is this process alive?")
async def live() -> dict[str, str]:
    """200 while this process answers. Asks nobody else."""
    return {"status": "alive"}


@router.get(
    "/health/ready",
    responses={503: {"model": Readiness, "description": "An essential component is missing"}},
    summary="Is every component ready?",
)
def ready(
    request: Request,
    response: Response,
    component: Annotated[
        list[str] | None, Query(description="Ask for these only, such as `broker` for a load balancer")
    ] = None,
) -> Readiness:
    """The broker, the vector engine, and each lane by the heartbeat of its workers. 503 when an
    essential one is missing."""
    known = components_of(request.app.state.parts)
    if unknown := set(component or ()) - set(known):
        raise InvalidRequest(
            f"component: there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}"
        )
    asked = {name: known[name] for name in component or known}
    missing = [c for c in asked.values() if c.essential and not c.ready]
    if missing:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return Readiness(status="unready" if missing else "ready", components=asked)


def components_of(parts: Parts) -> dict[str, Component]:
    """Every component by name; without the broker nothing is known of the others."""
    try:
        parts.jobs.ping()
        beats = {BROKER: {}, **parts.heartbeats.alive()}
    except Transient as error:
        beats = {}
        silence: Json = {"error": str(error)}
    else:
        silence = {"error": "no sign of life"}
    return {
        name: Component(
            ready=name in beats, essential=name not in DISPENSABLE, detail=beats.get(name, silence)
        )
        for name in COMPONENTS
    }
