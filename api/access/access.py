"""Who calls, and what they may do: API keys, roles, collection scopes.

Until there is a key, in ``API_KEYS`` or in the records, every caller may do everything. Each role includes
the ones below it: ``read`` < ``write`` < ``admin``. A key reaches the collections that it lists, or all of
them with ``*``. A call that names a collection outside the scope is forbidden (403); a job outside it is not
found (404). Backups hold all collections, and keys open them, so both need a key that reaches all.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from rag.access.keys import Key, id_of
from rag.errors import Forbidden, Unauthenticated
from rag.model import ABOUT_BACKUPS, JobKind
from rag.settings import ApiKey, Role
from rag.settings.keys import ALL, NAMELESS

# Keys of a request's ASGI scope, by which the layers around the routes learn what happened to it.
CALLER = "aegis.caller"  # the Caller, once the call was let in
REQUEST_ID = "aegis.request_id"
DOCUMENTS = "aegis.documents"  # how many were accepted by a call that brings many
KEY_REFUSED = "aegis.refused"  # set when the key was refused, whatever the answer is
ORIGIN_REFUSED = (
    "aegis.turned_away"  # why it was refused before its key was read: a code of rag.access.origins
)

RANK = {Role.READ: 0, Role.WRITE: 1, Role.ADMIN: 2}
_UNKNOWN = "This key is unknown, expired or revoked: ask the operator for a new one"
_CONTROLLED_BY = {
    **dict.fromkeys(JobKind, Role.WRITE),
    JobKind.QUERY: Role.READ,
    **dict.fromkeys(ABOUT_BACKUPS, Role.ADMIN),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """``collections`` None: all. ``id``: of a key in the records; "" for others."""

    name: str
    role: Role
    collections: tuple[str, ...] | None
    id: str = ""

    @property
    def rate_key(self) -> str:
        """The name under which the rate limit counts its requests."""
        return f"key:{self.id or self.name}"

    @property
    def is_operator(self) -> bool:
        """Whether it may see hosts, processes, and errors that name them."""
        return self.role is Role.ADMIN and self.collections is None

    @property
    def owner(self) -> str:
        """The owner of its jobs: the name of its key; "" without keys."""
        return "" if self is ANYBODY else self.name

    @property
    def asker(self) -> str | None:
        """The owner whose questions it sees; None: it sees all, since it may run them again or drop them."""
        return self.owner if self.role is Role.READ else None

    def reaches(self, collection: str) -> bool:
        return self.collections is None or collection in self.collections

    def must_be(self, role: Role) -> None:
        """Forbidden for a key of a lesser role."""
        if RANK[self.role] < RANK[role]:
            raise Forbidden(f"This call needs a key with role {role}; this key has {self.role}")

    def must_reach(self, collection: str) -> None:
        """Forbidden for a collection outside the key's scope."""
        if not self.reaches(collection):
            raise Forbidden(f"This key does not reach collection {collection!r}")

    def must_reach_all(self) -> None:
        """Forbidden for a key with a scope."""
        if self.collections is not None:
            raise Forbidden("This call is about all collections, and this key does not reach all of them")

    def may_control(self, kind: JobKind) -> bool:
        """Whether the role may cancel jobs of this kind, and run them again.

        A reader may stop a question, a writer whatever changes documents, an admin jobs about backups.
        """
        return RANK[self.role] >= RANK[_CONTROLLED_BY[kind]]

    def must_control(self, kind: JobKind) -> None:
        """Forbidden for a key of a lesser role."""
        self.must_be(_CONTROLLED_BY[kind])


ANYBODY = Caller(NAMELESS, Role.ADMIN, None)


class StoredKeys(Protocol):
    """The keys in the records. Both methods raise Unavailable while the records cannot be read."""

    async def authenticate(self, key_id: str, token: str) -> Key | None:
        """The key with the id ``key_id`` that ``token`` is; None where it is not valid."""
        ...

    async def is_demanded(self) -> bool:
        """Whether a key was ever made."""
        ...


class Issuer(Protocol):
    """Issues tokens that are accepted in place of keys."""

    def signs(self, token: str) -> bool:
        """Whether ``token`` has the form of one, valid or not."""
        ...

    async def caller(self, token: str) -> Caller:
        """The caller that the token stands for. Unauthenticated, Unavailable."""
        ...


class Authenticator:
    """Finds the caller of a key of ``API_KEYS``, a key in the records, or an issuer's token.

    A key is needed as soon as one of these exists, or when one is ``required`` anyway.
    """

    def __init__(
        self,
        keys: Mapping[str, ApiKey],
        stored: StoredKeys,
        issuer: Issuer | None = None,
        *,
        required: bool = False,
    ) -> None:
        self._callers = [
            (sha256(key.encode()).digest(), Caller(entry.name, entry.role, _scope(entry.collections)))
            for key, entry in keys.items()
        ]
        self._names = frozenset(entry.name for entry in keys.values())
        self._stored = stored
        self._issuer = issuer
        self._required = required or bool(keys) or issuer is not None

    async def authenticate(self, token: str | None) -> Caller:
        """The caller that ``token`` stands for: the header's text, in Latin-1 as HTTP has it.

        Unauthenticated when a key is needed and this is none, Unavailable when the records are needed and
        cannot be read.
        """
        if token:
            # All keys are compared, each in constant time, so that the time tells nothing about a key.
            digest = sha256(token.encode("latin-1", "replace")).digest()
            matches = [caller for known, caller in self._callers if hmac.compare_digest(known, digest)]
            if matches:
                return matches[0]
            if key_id := id_of(token):
                return await self._stored_caller(key_id, token)
            if self._issuer and self._issuer.signs(token):
                return await self._issuer.caller(token)
        if not self._required and not await self._stored.is_demanded():
            return ANYBODY
        raise Unauthenticated("Send a key: Authorization: Bearer KEY" if token is None else _UNKNOWN)

    async def _stored_caller(self, key_id: str, token: str) -> Caller:
        key = await self._stored.authenticate(key_id, token)
        if key is None:
            raise Unauthenticated(_UNKNOWN)
        # The same name may have been put into API_KEYS later: the id tells the two keys apart.
        name = f"{key.name} ({key.id})" if key.name in self._names else key.name
        return Caller(name, key.role, _scope(key.collections), id=key.id)


def _scope(collections: tuple[str, ...]) -> tuple[str, ...] | None:
    return None if ALL in collections else collections
