"""What is sent and seen of keys. A key itself is seen once, when it is made."""

from datetime import datetime
from time import time
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from api.backup_schemas import Moment, seconds_of
from api.bodies import Sent
from api.schemas import moment, moment_or_none
from rag.keys import Key, KeyState
from rag.settings import ApiKey, Role
from rag.settings.keys import KeyName, checked_collections
from rag.stores.keys import Sighted

LONGEST_GRACE = 30 * 86400
_GRACE = 86400
_LONGEST_LIFE = 36_525 * 86400
_MOST_COLLECTIONS = 100
"""Of one key: its record is read for each of its requests."""


def _to_come(text: str) -> str:
    ahead = seconds_of(text) - time()
    if not 0 < ahead < _LONGEST_LIFE:
        raise ValueError("lies in the past, or more than a hundred years ahead")
    return text


def _scope(names: list[str]) -> list[str]:
    return list(checked_collections(names))


Expiry = Annotated[Moment, AfterValidator(_to_come)]


class KeyIn(Sent):
    """A key to make. What it may do is said in full: nothing is granted by default."""

    name: KeyName = Field(description="Whom it is for; no two keys have the same", examples=["ci"])
    role: Annotated[Role, Field(strict=False)]
    collections: Annotated[list[str], Field(max_length=_MOST_COLLECTIONS), AfterValidator(_scope)] = Field(
        description='Those that it reaches; ["*"] for all', examples=[["handbook"]]
    )
    expires_at: Expiry | None = Field(None, description="Unset: never")


class RotationIn(Sent):
    """How a key gets a new secret. An empty object means with a day of grace."""

    grace_seconds: int = Field(
        _GRACE, ge=0, le=LONGEST_GRACE, description="For which the former secret stays good"
    )
    expires_at: Expiry | None = Field(None, description="Unset: as before")


class KeyOut(BaseModel):
    """A key as it stands, without its secret."""

    id: str | None = Field(description="Also the middle of the key itself; null of one in API_KEYS")
    name: str
    role: Role
    collections: list[str]
    state: KeyState = Field(
        description="`suspended`: a restore brought it back, and it is to be activated or revoked"
    )
    created_at: datetime | None = Field(description="Null of a key in API_KEYS")
    created_by: str = Field(description="Name of the key that made it; API_KEYS")
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To a minute; null of a key in API_KEYS")
    grace_until: datetime | None = Field(description="Until when a former secret is good as well")
    restored_from: str | None = Field(description="The backup that it came back from, while it is suspended")

    @classmethod
    def of(cls, key: Key, used: float | None = None) -> "KeyOut":
        now = time()
        grace = max((each.until or 0.0 for each in key.secrets), default=0.0)
        return cls(
            id=key.id,
            name=key.name,
            role=key.role,
            collections=list(key.collections),
            state=key.state(now),
            created_at=moment(key.created_at),
            created_by=key.created_by,
            expires_at=moment_or_none(key.expires_at),
            revoked_at=moment_or_none(key.revoked_at),
            last_used_at=moment_or_none(used),
            grace_until=moment(grace) if grace > now else None,
            restored_from=key.restored_from or None,
        )

    @classmethod
    def seen(cls, sighted: Sighted) -> "KeyOut":
        return cls.of(sighted.key, sighted.used)

    @classmethod
    def of_settings(cls, entry: ApiKey) -> "KeyOut":
        return cls(
            id=None,
            name=entry.name,
            role=entry.role,
            collections=list(entry.collections),
            state=KeyState.ACTIVE,
            created_at=None,
            created_by="API_KEYS",
            expires_at=None,
            revoked_at=None,
            last_used_at=None,
            grace_until=None,
            restored_from=None,
        )


class NewKeyOut(KeyOut):
    """A key as it was made, with itself: it is shown this once and kept nowhere."""

    key: str = Field(examples=["aegis_mfzwizltoq2dkojy_4b1c…"])

    @classmethod
    def shown(cls, key: Key, token: str) -> "NewKeyOut":
        return cls(key=token, **KeyOut.of(key).model_dump())
