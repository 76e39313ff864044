"""/v1/keys: make, list, rotate, revoke and activate keys. By an admin whose key reaches all collections."""

from time import time
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from api.access import ANYBODY
from api.backup_schemas import seconds_of
from api.gate import AdminCall, Call
from api.key_schemas import KeyIn, KeyOut, NewKeyOut, RotationIn
from api.openapi import body_of, problems
from api.paging import Sliced
from api.schemas import Page, page_of
from api.sent import sent, sent_or_default
from rag.errors import Conflict, InvalidRequest
from rag.keys import Key, Secret, digest_of, new_id, new_token
from rag.settings import Role

router = APIRouter(prefix="/v1/keys", tags=["keys"])

KeyId = Annotated[str, Path(description="As a listing shows it", max_length=64)]
_ONCE = {"Cache-Control": "no-store"}


@router.post(
    "",
    status_code=201,
    responses=problems(400, 408, 409, 413, 415),
    openapi_extra=body_of(KeyIn),
    summary="Make a key",
)
async def make(call: AdminCall, response: Response) -> NewKeyOut:
    """The answer has the key, this once: what is kept is its hash. The first one, where none was asked for
    until now, has to be an admin's that reaches all collections; from then on nobody comes in without."""
    body = await sent(call, KeyIn)
    response.headers.update(_ONCE)
    return await call.work(_make, call, body)


def _make(call: Call, body: KeyIn) -> NewKeyOut:
    key_id = new_id()
    token = new_token(key_id)
    key = Key(
        id=key_id,
        name=body.name,
        role=body.role,
        collections=tuple(body.collections),
        created_at=time(),
        created_by=call.caller.name,
        secrets=(Secret(digest_of(token)),),
        expires_at=_seconds(body.expires_at),
    )
    _must_be_free(call, key.name)
    first = call.caller is ANYBODY
    if first:
        _must_let_others_in(key)
    call.parts.keys.add(key, first=first)
    return NewKeyOut.shown(key, token)


@router.get("", responses=problems(400), summary="List keys")
def keys(call: AdminCall, slicing: Sliced) -> Page[KeyOut]:
    """Those of API_KEYS, then those in the records by when they were made."""
    settings = (KeyOut.of_settings(entry) for entry in call.parts.settings.api_keys.values())
    shown = [*settings, *map(KeyOut.seen, call.parts.keys.all())]
    window = slicing.window([(f"{place:07}", key) for place, key in enumerate(shown, 1)])
    return page_of(window.items, window, slicing.of)


@router.get("/{key_id}", responses=problems(404), summary="One key")
def key(call: AdminCall, key_id: KeyId) -> KeyOut:
    return KeyOut.seen(call.parts.keys.one(key_id))


@router.post(
    "/{key_id}/rotate",
    responses=problems(400, 404, 408, 409, 413, 415),
    openapi_extra=body_of(RotationIn, required=False),
    summary="Give a key a new secret",
)
async def rotate(call: AdminCall, key_id: KeyId, response: Response) -> NewKeyOut:
    """Id, name, role and scope stay. The former secret is good for `grace_seconds` more."""
    body = await sent_or_default(call, RotationIn)
    token, now, expires_at = new_token(key_id), time(), _seconds(body.expires_at)
    rotated = await call.work(
        call.parts.keys.change,
        key_id,
        lambda key: key.rotated(token, now, grace=body.grace_seconds, expires_at=expires_at),
        first=call.caller is ANYBODY,
    )
    response.headers.update(_ONCE)
    return NewKeyOut.shown(rotated, token)


@router.delete("/{key_id}", responses=problems(404), summary="Revoke a key")
def revoke(call: AdminCall, key_id: KeyId) -> KeyOut:
    """Holds from the very next request on, whichever process gets it. The record stays, the name is free."""
    now = time()
    first = call.caller is ANYBODY
    return KeyOut.of(call.parts.keys.change(key_id, lambda key: key.revoked(now), first=first))


@router.post("/{key_id}/activate", responses=problems(404, 409), summary="Let a restored key in again")
def activate(call: AdminCall, key_id: KeyId) -> KeyOut:
    """A restore brings keys back suspended, since they may have been revoked after the backup was made."""

    first = call.caller is ANYBODY

    def activated(key: Key) -> Key:
        _must_be_free(call, key.name)
        if first:
            _must_let_others_in(key)
        return key.activated()

    return KeyOut.of(call.parts.keys.change(key_id, activated, first=first))


def _must_be_free(call: Call, name: str) -> None:
    """Conflict for a name in API_KEYS; the records look after their own."""
    if any(entry.name == name for entry in call.parts.settings.api_keys.values()):
        raise Conflict(f"The name {name!r} is that of a key in API_KEYS: choose another one")


def _must_let_others_in(key: Key) -> None:
    if key.role is not Role.ADMIN or not key.reaches_all:
        raise InvalidRequest(
            'The first key has role admin and collections ["*"]: from then on nobody comes in without a key, '
            "and somebody has to make the others"
        )


def _seconds(moment: str | None) -> float | None:
    return None if moment is None else seconds_of(moment)
