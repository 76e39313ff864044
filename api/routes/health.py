"""/health, /health/live, /health/ready. They need no key, and only admins see which workers there are."""

from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from api.calls.auth import count_refused_key, token_of
from api.calls.openapi import problem
from api.calls.parts import Parts
from api.http.routing import refuse_unknown
from api.routes.coalescing import Coalesced
from rag.errors import InvalidRequest, NoRoom, Transient, Unauthenticated, Unavailable
from rag.model import Json
from rag.naming import release
from rag.redis.heartbeats import BEAT, VECTORS, WorkerSign
from tasks.submit.submissions import LANES

router = APIRouter(tags=["health"], dependencies=[Depends(refuse_unknown)], responses={422: problem(422)})

_SILENCE: Json = {"error": "no sign of life"}

BROKER = "broker"
PUBLISHING = "publishing"
DISK = "disk"
COMPONENTS = (DISK, BROKER, PUBLISHING, VECTORS, BEAT, *LANES)
# Without these other jobs still run, so the service stays ready.
DISPENSABLE = frozenset({BEAT, "fetch", "maintenance", "backup"})


class Component(BaseModel):
    ready: bool
    essential: bool
    detail: dict[str, object] = Field(
        {}, description="The component's last report; empty but for an admin of all collections"
    )


class Readiness(BaseModel):
    status: Literal["ready", "unready"]
    components: dict[str, Component]


class Health(BaseModel):
    status: Literal["ok", "degraded"]
    version: str
    environment: str
    components: dict[str, bool]
    flower_url: str | None = Field(None, description="Where browsers find Flower, by FLOWER_URL")


async def may_see_details(request: Request) -> bool:
    """Whether the caller may see hosts, processes, and errors that name addresses. Overloaded.

    The caller is an admin of all collections, or sends HEALTH_TOKEN.
    """
    parts: Parts = request.app.state.parts
    token, own = token_of(request), parts.settings.health_token
    if token and own and compare_digest(token.encode("latin-1", "replace"), own.get_secret_value().encode()):
        return True
    try:
        caller = await parts.authenticator.authenticate(token)
    except Unavailable:
        return False
    except Unauthenticated:
        if token is not None:
            await count_refused_key(request)  # so that keys cannot be guessed here either
        return False
    return caller.is_operator


@router.get("/health", summary="In short")
async def health(request: Request) -> Health:
    """Always 200 while this process answers; `degraded` when a component is missing."""
    parts: Parts = request.app.state.parts
    components = await _components(request)
    return Health(
        status="ok" if all(c.ready for c in components.values()) else "degraded",
        version=release(),
        environment=parts.settings.environment,
        components={name: component.ready for name, component in components.items()},
        flower_url=parts.settings.flower_url,
    )


@router.get("/health/live", summary="Is this process alive?")
async def live() -> dict[str, str]:
    """200 while this process answers. It needs no other process for that."""
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
    detailed: Annotated[bool, Depends(may_see_details)],
) -> Readiness:
    """The disk, the broker, whether this process can queue jobs, the vector engine, beat, and each lane,
    which is ready when one of its workers takes tasks. 503 when an essential one is missing."""
    known = await _components(request)
    if unknown := set(component or ()) - set(known):
        raise InvalidRequest(f"component: there is no {', '.join(sorted(unknown))}, only {', '.join(known)}")
    asked = {name: known[name] for name in component or known}
    if not detailed:
        asked = {name: each.model_copy(update={"detail": {}}) for name, each in asked.items()}
    missing = [c for c in asked.values() if c.essential and not c.ready]
    if missing:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return Readiness(status="unready" if missing else "ready", components=asked)


async def _components(request: Request) -> Mapping[str, Component]:
    # Anybody may ask, as often as they like: hence from a second ago at most.
    coalesced: Coalesced[dict[str, Component]] = request.app.state.components
    return await coalesced.get()


def components_of(parts: Parts) -> dict[str, Component]:
    """Every component by name; without the broker only the disk is known."""
    details: dict[str, Json] = dict.fromkeys(COMPONENTS, _SILENCE)
    try:
        parts.broker.check()
        parts.jobs.ping()
        signs = parts.heartbeats.read_signs()
    except Transient as error:
        details = {name: {"error": str(error)} for name in COMPONENTS}
    else:
        unable = {"error": "this process cannot queue jobs; its log says why"}
        details |= {BROKER: {}, PUBLISHING: unable if parts.publisher.fault else {}}
        if signs.beats:
            details[BEAT] = {"workers": [_beat_detail(beat) for beat in signs.beats]}
        details |= {name: seen for name, seen in signs.components.items() if name in details}
        details |= {lane: _lane_detail(signs.lane(lane)) for lane in LANES}
    details[DISK] = _disk_detail(parts)
    return {
        name: Component(ready="error" not in detail, essential=name not in DISPENSABLE, detail=detail)
        for name, detail in details.items()
    }


def _disk_detail(parts: Parts) -> Json:
    """Figures of the disk with the least free space beyond its reserve; an error where jobs have no room."""
    figures: Json = {}
    try:
        rooms = sorted(parts.disks.rooms(), key=lambda room: room.free - room.reserve)
        if rooms:
            figures = {"free_mb": rooms[0].free >> 20, "reserve_mb": rooms[0].reserve >> 20}
            if rooms[0].files is not None:
                figures["free_files"] = rooms[0].files
        parts.disks.admit()
    except NoRoom as error:
        figures["error"] = str(error)
    return figures


def _lane_detail(workers: Sequence[WorkerSign]) -> Json:
    """Each worker, with an error where it hangs; the lane has one only where all of them hang."""
    if not workers:
        return _SILENCE
    detail: Json = {"workers": []}
    for sign in workers:
        seen: Json = {"worker": sign.worker, "pid": sign.pid, "idle_seconds": round(sign.idle, 1)}
        if sign.busy is not None:
            seen |= {"task": sign.task, "busy_seconds": round(sign.busy, 1)}
        if why := sign.hang():
            seen["error"] = why
        detail["workers"].append(seen)
    if all("error" in seen for seen in detail["workers"]):
        detail["error"] = f"{workers[0].worker}: {workers[0].hang()}"
    return detail


def _beat_detail(beat: Json) -> Json:
    return {"worker": f"{BEAT}@{beat['host']}", "pid": beat["pid"], "idle_seconds": round(beat["age"], 1)}
