"""The API keys that the service makes: their form, their records, and when they are valid.

A key is ``aegis_ID_SECRET``: the id is public and finds the record, the secret has 256 random bits. Only the
SHA-256 of a whole key is stored; with so many random bits a slow hash would protect no better.
"""

import re
import secrets
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from rag.errors import Conflict
from rag.model import Json
from rag.model.known import known_fields
from rag.settings.keys import ALL, Role

_FORM = re.compile(r"aegis_([a-z2-7]{16})_[0-9a-f]{64}\Z")
_LENGTH = 87
_MOST_SECRETS = 8


class KeyState(StrEnum):
    """SUSPENDED: a restore brought the key back, and it was not activated since."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Secret:
    """``digest``: of the whole key. ``until``: when it expires, in Unix seconds; None: with the key."""

    digest: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """The record of a key. ``collections``: names, or ("*",) for all. ``restored_from``: a backup's id.

    ``revision`` counts the changes: of two records of one key, the higher is the newer.
    """

    id: str
    name: str
    role: Role
    collections: tuple[str, ...]
    created_at: float
    created_by: str
    secrets: tuple[Secret, ...]
    expires_at: float | None = None
    revoked_at: float | None = None
    restored_from: str = ""
    revision: int = 1

    @property
    def reaches_all(self) -> bool:
        return ALL in self.collections

    @property
    def holds_name(self) -> bool:
        """Whether its name is taken, so that no other key may have it."""
        return self.revoked_at is None and not self.restored_from

    def state(self, now: float) -> KeyState:
        """Its state at ``now``, in Unix seconds."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.restored_from:
            return KeyState.SUSPENDED
        return KeyState.EXPIRED if self.expires_at is not None and self.expires_at <= now else KeyState.ACTIVE

    def opened_by(self, token: str, now: float) -> bool:
        """Whether ``token`` is this key, and valid at ``now``. The time does not depend on the token."""
        digest = digest_of(token)
        # Every secret is compared, so that the time does not depend on which one matches.
        matches = [compare_digest(each.digest, digest) for each in self.secrets if _is_valid(each, now)]
        return any(matches) and self.state(now) is KeyState.ACTIVE

    def rotated(self, token: str, now: float, *, grace: float, expires_at: float | None) -> "Key":
        """The key with ``token`` as its secret. Former ones stay valid for at most ``grace`` seconds.

        ``expires_at`` None: unchanged. Conflict for a key that is revoked, suspended, or would be expired.
        """
        until = now + grace
        former = (replace(each, until=min(each.until or until, until)) for each in self.secrets)
        kept = tuple(each for each in former if _is_valid(each, now))[: _MOST_SECRETS - 1]
        rotated = replace(
            self,
            secrets=(Secret(digest_of(token)), *kept),
            expires_at=expires_at if expires_at is not None else self.expires_at,
            revision=self.revision + 1,
        )
        if (state := rotated.state(now)) is not KeyState.ACTIVE:
            raise Conflict(f"Key {self.id} is {state}, so it cannot be rotated{_REMEDIES[state]}")
        return rotated

    def revoked(self, now: float) -> "Key":
        """The key, never valid again; one that is revoked already stays as it is."""
        if self.revoked_at is not None:
            return self
        return replace(self, revoked_at=now, secrets=(), revision=self.revision + 1)

    def suspended(self, backup: str) -> "Key":
        """The key as a restore brings it back from ``backup``."""
        return replace(self, restored_from=backup)

    def activated(self) -> "Key":
        """The key, valid again after a restore. Conflict for one that is not suspended."""
        if self.revoked_at is not None or not self.restored_from:
            raise Conflict(f"Key {self.id} is not suspended: only what a restore brought back is")
        return replace(self, restored_from="", revision=self.revision + 1)


_REMEDIES: Mapping[KeyState, str] = {
    KeyState.EXPIRED: ": say when it is to expire instead",
    KeyState.SUSPENDED: ": activate it first",
    KeyState.REVOKED: ": create another one",
}


def new_id() -> str:
    """The public id of a key: 80 random bits."""
    return b32encode(secrets.token_bytes(10)).decode().lower()


def new_token(key_id: str) -> str:
    """A key of this id, which is shown once and not stored."""
    return f"aegis_{key_id}_{secrets.token_hex(32)}"


def id_of(token: str) -> str | None:
    """The id in a key; None for a text that has not the form of a key."""
    match = _FORM.match(token) if len(token) == _LENGTH else None
    return match[1] if match else None


def digest_of(token: str) -> str:
    """The SHA-256 of a key, in hex, which is stored in its place."""
    return sha256(token.encode()).hexdigest()


def key_fields(key: Key) -> Json:
    """The record as JSON; the inverse of ``key_of``."""
    return asdict(key)


def key_of(fields: Mapping[str, Any]) -> Key:
    """The record of its JSON. Raises ValueError, TypeError or KeyError for other fields."""
    return Key(
        **{
            **known_fields(Key, fields),
            "role": Role(fields["role"]),
            "collections": tuple(fields["collections"]),
            "secrets": tuple(Secret(**known_fields(Secret, each)) for each in fields["secrets"]),
        }
    )


def _is_valid(secret: Secret, now: float) -> bool:
    return secret.until is None or secret.until > now
