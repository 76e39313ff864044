"""/v1/keys: make, list, rotate, revoke and activate keys. By an admin whose key reaches all collections."""

from datetime import datetime
from time import time
from typing import Annotated, Self

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import AfterValidator, Field

from api.access.access import ANYBODY
from api.calls.auth import AdminCall, Call
from api.calls.json_body import read_body, read_optional_body
from api.calls.openapi import body_of, problems
from api.schemas.answers import Answer, Page, moment, page_of
from api.schemas.backups import Moment, seconds_of
from api.schemas.bodies import Body
from api.schemas.paging import Sliced
from rag.access.keys import Key, KeyState, Secret, digest_of, new_id, new_token
from rag.errors import Conflict, InvalidRequest
from rag.settings import ApiKey, Role
from rag.settings.keys import KeyName, checked_collections

router = APIRouter(prefix="/v1/keys", tags=["keys"])

LONGEST_GRACE = 30 * 86400
_GRACE = 86400
_LONGEST_LIFE = 36_525 * 86400
_MOST_COLLECTIONS = 100  # of one key: its record is read for each of its requests
_NO_STORE = {"Cache-Control": "no-store"}  # of an answer with a secret

KeyId = Annotated[str, Path(description="As a listing shows it", max_length=64)]


def _check_future(text: str) -> str:
    if not 0 < datetime.fromisoformat(text).timestamp() - time() < _LONGEST_LIFE:
        raise ValueError("lies in the past, or more than a hundred years ahead")
    return text


Expiry = Annotated[Moment, AfterValidator(_check_future)]
_Names = Annotated[list[str], Field(max_length=_MOST_COLLECTIONS)]
Scope = Annotated[_Names, AfterValidator(lambda names: list(checked_collections(names)))]


class KeyIn(Body):
    """A key to make. Role and collections have no default: nothing is granted without being named."""

    name: KeyName = Field(description="Whom it is for; no two keys have the same", examples=["ci"])
    role: Annotated[Role, Field(strict=False)]
    collections: Scope = Field(description='Those that it reaches; ["*"] for all', examples=[["handbook"]])
    expires_at: Expiry | None = Field(None, description="Unset: never")


class RotationIn(Body):
    """How a key gets a new secret. An empty object means with a day of grace."""

    grace_seconds: int = Field(
        _GRACE, ge=0, le=LONGEST_GRACE, description="How long the old secret stays valid"
    )
    expires_at: Expiry | None = Field(None, description="Unset: as before")


class KeyOut(Answer):
    """A key in its present state, without its secret."""

    id: str | None = Field(description="Also the middle of the key itself; null of one in API_KEYS")
    name: str
    role: Role
    collections: list[str]
    state: KeyState = Field(description="`suspended`: a restore brought it back; activate or revoke it")
    created_at: datetime | None = Field(description="Null of a key in API_KEYS")
    created_by: str = Field(description="Name of the key that made it; API_KEYS")
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To a minute; null of a key in API_KEYS")
    grace_until: datetime | None = Field(description="Until when a former secret is valid as well")
    restored_from: str | None = Field(description="The backup that it came back from, while it is suspended")

    @classmethod
    def of(cls, stored: Key, used: float | None = None, **more: str) -> Self:
        """``used``: when it was last used; ``more``: fields of a subclass."""
        now = time()
        grace = max((each.until or 0.0 for each in stored.secrets), default=0.0)
        return cls.copy_from(
            stored,
            collections=list(stored.collections),
            state=stored.state(now),
            last_used_at=None if used is None else moment(used),
            grace_until=moment(grace) if grace > now else None,
            restored_from=stored.restored_from or None,
            **more,
        )

    @classmethod
    def of_settings(cls, entry: ApiKey) -> Self:
        unset = (
            "id",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "grace_until",
            "restored_from",
        )
        return cls.copy_from(
            entry,
            collections=list(entry.collections),
            state=KeyState.ACTIVE,
            created_by="API_KEYS",
            **dict.fromkeys(unset),
        )


class NewKeyOut(KeyOut):
    """A key that was just made, with its secret: only this answer has it, and it is stored nowhere."""

    key: str = Field(examples=["aegis_mfzwizltoq2dkojy_4b1c…"])


@router.post(
    "",
    status_code=201,
    responses=problems(400, 408, 409, 413, 415),
    openapi_extra=body_of(KeyIn),
    summary="Make a key",
)
async def make(call: AdminCall, response: Response) -> NewKeyOut:
    """Only this answer has the key; what is stored is its hash. The first key, made while none is needed, has
    to be an admin's that reaches all collections; from then on every call needs a key."""
    body = await read_body(call, KeyIn)
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
        expires_at=seconds_of(body.expires_at),
    )
    _must_be_usable(call, key)
    await call.run_in_thread(call.parts.keys.add, key, first=call.caller is ANYBODY)
    response.headers.update(_NO_STORE)
    return NewKeyOut.of(key, key=token)


@router.get("", responses=problems(400), summary="List keys")
def keys(call: AdminCall, slicing: Sliced) -> Page[KeyOut]:
    """Those of API_KEYS, then those in the records by when they were made."""
    settings = (KeyOut.of_settings(entry) for entry in call.parts.settings.api_keys.values())
    stored = (KeyOut.of(sighted.key, sighted.used) for sighted in call.parts.keys.all())
    # The place in the list is the cursor: with leading zeros these sort as text.
    window = slicing.window([(f"{place:07}", key) for place, key in enumerate([*settings, *stored], 1)])
    return page_of(window.items, window, slicing.path)


@router.get("/{key_id}", responses=problems(404), summary="One key")
def key(call: AdminCall, key_id: KeyId) -> KeyOut:
    sighted = call.parts.keys.one(key_id)
    return KeyOut.of(sighted.key, sighted.used)


@router.post(
    "/{key_id}/rotate",
    responses=problems(400, 404, 408, 409, 413, 415),
    openapi_extra=body_of(RotationIn, required=False),
    summary="Give a key a new secret",
)
async def rotate(call: AdminCall, key_id: KeyId, response: Response) -> NewKeyOut:
    """Id, name, role and scope stay. The former secret is valid for `grace_seconds` more."""
    body = await read_optional_body(call, RotationIn)
    token, now, expires_at = new_token(key_id), time(), seconds_of(body.expires_at)
    rotated = await call.run_in_thread(
        call.parts.keys.change,
        key_id,
        lambda key: key.rotated(token, now, grace=body.grace_seconds, expires_at=expires_at),
        first=call.caller is ANYBODY,
    )
    response.headers.update(_NO_STORE)
    return NewKeyOut.of(rotated, key=token)


@router.delete("/{key_id}", responses=problems(404), summary="Revoke a key")
def revoke(call: AdminCall, key_id: KeyId) -> KeyOut:
    """Takes effect with the next request, in every process. The record stays, and the name is free again."""
    now = time()
    first = call.caller is ANYBODY
    return KeyOut.of(call.parts.keys.change(key_id, lambda key: key.revoked(now), first=first))


@router.post("/{key_id}/activate", responses=problems(404, 409), summary="Let a restored key in again")
def activate(call: AdminCall, key_id: KeyId) -> KeyOut:
    """A restore brings keys back suspended, since they may have been revoked after the backup was made."""

    def activated(key: Key) -> Key:
        _must_be_usable(call, key)
        return key.activated()

    return KeyOut.of(call.parts.keys.change(key_id, activated, first=call.caller is ANYBODY))


def _must_be_usable(call: Call, key: Key) -> None:
    """Conflict for a name in API_KEYS, InvalidRequest for a first key that cannot make others."""
    # The records refuse a second key of a name by themselves.
    if any(entry.name == key.name for entry in call.parts.settings.api_keys.values()):
        raise Conflict(f"The name {key.name!r} is that of a key in API_KEYS: choose another one")
    if call.caller is ANYBODY and (key.role is not Role.ADMIN or not key.reaches_all):
        raise InvalidRequest(
            'The first key needs role admin and collections ["*"]: from then on every call needs a key, '
            "and somebody has to make the others"
        )
