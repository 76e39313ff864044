"""/health, /health/live, /health/ready. Open to everybody; who and where workers are is for admins to see."""

from collections.abc import Sequence
from hmac import compare_digest
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from api.collected import Collected
from api.gate import address_of, token_of
from api.openapi import parameter_problems, problem
from api.parameters import refuse_unknown
from api.parts import Parts
from api.scope import REFUSED
from rag.addresses import counted_as
from rag.errors import InvalidRequest, NoRoom, Transient, Unauthenticated, Unavailable
from rag.liveness import WorkerSign
from rag.model import Json
from rag.naming import release
from rag.stores.disks import Room
from rag.stores.heartbeats import BEAT, VECTORS
from tasks.submit import LANES

router = APIRouter(tags=["health"], dependencies=[Depends(refuse_unknown)], responses=parameter_problems())

_SILENCE: Json = {"error": "no sign of life"}

BROKER = "broker"
PUBLISHING = "publishing"
DISK = "disk"
COMPONENTS = (DISK, BROKER, PUBLISHING, VECTORS, BEAT, *LANES)
DISPENSABLE = frozenset({BEAT, "fetch", "maintenance", "backup"})
"""Without these, other jobs still run: their absence shows, and leaves the service ready."""


class Component(BaseModel):
    ready: bool
    essential: bool
    detail: dict[str, object] = Field(
        {},
        description="What the component last said of itself; empty but for an admin of all collections",
    )


class Readiness(BaseModel):
    status: Literal["ready", "unready"]
    components: dict[str, Component]


class Health(BaseModel):
    status: Literal["ok", "degraded"]
    version: str
    environment: str
    components: dict[str, bool]


async def _may_see_details(request: Request) -> bool:
    """Whether the caller may see more than what is ready: hosts, processes, and errors that name addresses.

    Wrong keys are counted here too, so that they cannot be tried at will. Overloaded for too many.
    """
    parts: Parts = request.app.state.parts
    token, own = token_of(request), parts.settings.health_token
    if token and own and compare_digest(token.encode("latin-1", "replace"), own.get_secret_value().encode()):
        return True
    try:
        caller = await parts.keyring.caller(token)
    except Unavailable:
        return False
    except Unauthenticated:
        if token is not None:
            request.scope[REFUSED] = True
            address = f"address:{counted_as(address_of(request))}"
            await parts.admission.admit(address)
            await parts.wrong_keys.admit(address)
        return False
    return caller.operates


@router.get("/health", summary="In short")
async def health(request: Request) -> Health:
    """Always 200 while this process answers; `degraded` when a part behind it is missing."""
    parts: Parts = request.app.state.parts
    components = await _components(request)
    return Health(
        status="ok" if all(c.ready for c in components.values()) else "degraded",
        version=release(),
        environment=parts.settings.environment,
        components={name: component.ready for name, component in components.items()},
    )


@router.get("/health/live", summary="Is this process alive?")
async def live() -> dict[str, str]:
    """200 while this process answers. Asks nobody else."""
    return {"status": "alive"}


@router.get(
    "/health/ready",
    responses={
        503: {"model": Readiness, "description": "An essential component is missing"},
        **{status: problem(status) for status in (422, 429)},
    },
    summary="Is every component ready?",
)
async def ready(
    request: Request,
    response: Response,
    component: Annotated[
        list[str] | None, Query(description="Ask for these only, such as `broker` for a load balancer")
    ] = None,
    *,
    detailed: Annotated[bool, Depends(_may_see_details)],
) -> Readiness:
    """The disk, the broker, whether this process can queue jobs, the vector engine, beat, and each lane,
    which is ready when one of its workers takes tasks. 503 when an essential one is missing."""
    known = await _components(request)
    if unknown := set(component or ()) - set(known):
        raise InvalidRequest(
            f"component: there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}"
        )
    asked = {name: _seen(known[name], detailed=detailed) for name in component or known}
    missing = [c for c in asked.values() if c.essential and not c.ready]
    if missing:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return Readiness(status="unready" if missing else "ready", components=asked)


async def _components(request: Request) -> dict[str, Component]:
    """As they were a second ago at most, since anybody may ask, and as often as they like."""
    collected: Collected[dict[str, Component]] = request.app.state.components
    return await collected.get()


def _seen(component: Component, *, detailed: bool) -> Component:
    return component if detailed else component.model_copy(update={"detail": {}})


def components_of(parts: Parts) -> dict[str, Component]:
    """Every component by name; without the broker only the disk is known."""
    disk = {DISK: _component(DISK, _disk(parts))}
    try:
        parts.broker.check()
        parts.jobs.ping()
        signs = parts.heartbeats.read_signs()
    except Transient as error:
        return {name: _component(name, {"error": str(error)}) for name in COMPONENTS} | disk
    known = {BROKER: {}, PUBLISHING: _publishing(parts), BEAT: _beats(signs.beats), **signs.components}
    return {
        name: _lane(name, signs.lane(name)) if name in LANES else _component(name, known.get(name, _SILENCE))
        for name in COMPONENTS
    } | disk


def _disk(parts: Parts) -> Json:
    """Figures of the disk with the least room to spare; an error too where new jobs have none."""
    figures: Json = {}
    try:
        rooms = sorted(parts.disks.rooms(), key=lambda room: room.free - room.reserve)
        figures = _figures(rooms[0]) if rooms else {}
        parts.disks.admit()
    except NoRoom as error:
        return {**figures, "error": str(error)}
    return figures


def _figures(room: Room) -> Json:
    files = {} if room.files is None else {"free_files": room.files}
    return {"free_mb": room.free >> 20, "reserve_mb": room.reserve >> 20, **files}


def _publishing(parts: Parts) -> Json:
    return {"error": "this process cannot queue jobs; its log says why"} if parts.publisher.fault else {}


def _lane(name: str, workers: Sequence[WorkerSign]) -> Component:
    """Ready when one worker is alive; each that is not says why."""
    detail: Json = {"workers": [_worker(sign) for sign in workers]} if workers else _SILENCE
    if workers and all(sign.hang() for sign in workers):
        detail["error"] = f"{workers[0].worker}: {workers[0].hang()}"
    return _component(name, detail)


def _worker(sign: WorkerSign) -> Json:
    seen = {"worker": sign.worker, "pid": sign.pid, "idle_seconds": round(sign.idle, 1)}
    busy = {"task": sign.task, "busy_seconds": round(sign.busy, 1)} if sign.busy is not None else {}
    return {**seen, **busy, **({"error": why} if (why := sign.hang()) else {})}


def _beats(beats: Sequence[Json]) -> Json:
    seen = [
        {"worker": f"{BEAT}@{b['host']}", "pid": b["pid"], "idle_seconds": round(b["age"], 1)} for b in beats
    ]
    return {"workers": seen} if seen else _SILENCE


def _component(name: str, detail: Json) -> Component:
    return Component(ready="error" not in detail, essential=name not in DISPENSABLE, detail=detail)
