"""Who calls, and what they may do: API keys, roles, collection scopes.

Until there is a key, in ``API_KEYS`` or in the records, every caller may do everything. Roles contain
each other: ``read`` < ``write`` < ``admin``. A key reaches the collections that it lists, or all with
``*``; what lies outside is forbidden (403) where the call names a collection, and not
there (404) where it names a job. Backups hold all collections, and keys reach what they say, so both take
a key that reaches all.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from rag.errors import Forbidden, Unauthenticated
from rag.keys import Key, id_of
from rag.model import ABOUT_BACKUPS, JobKind
from rag.settings import ApiKey, Role
from rag.settings.keys import ALL, NAMELESS

RANK = {Role.READ: 0, Role.WRITE: 1, Role.ADMIN: 2}
_UNKNOWN = "This key is not known, or not good any more; ask the operator for one"
_STEERED_BY = {
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
    def counted_as(self) -> str:
        """What the rate limit counts its requests under."""
        return f"key:{self.id or self.name}"

    @property
    def operates(self) -> bool:
        """Whether it may know what the service is made of: hosts, processes, and errors that name them."""
        return self.role is Role.ADMIN and self.collections is None

    def reaches(self, collection: str) -> bool:
        return self.collections is None or collection in self.collections

    @property
    def owner(self) -> str:
        """Whose its jobs are: the name of its key; "" without keys."""
        return "" if self is ANYBODY else self.name

    @property
    def asker(self) -> str | None:
        """Of which owner it sees questions; None: of all, as whoever may run them again or drop them."""
        return self.owner if self.role is Role.READ else None

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

    def steers(self, kind: JobKind) -> bool:
        """Whether the role may cancel jobs of this kind, and run them again.

        Whoever may ask may stop a question; what changes documents takes a writer, backups an admin.
        """
        return RANK[self.role] >= RANK[_STEERED_BY[kind]]

    def must_steer(self, kind: JobKind) -> None:
        """Forbidden for a key of a lesser role."""
        self.must_be(_STEERED_BY[kind])


ANYBODY = Caller(NAMELESS, Role.ADMIN, None)


class MadeKeys(Protocol):
    """The keys in the records. Both raise Unavailable while these are away."""

    async def authenticate(self, key_id: str, token: str) -> Key | None:
        """The key that ``token``, which names ``key_id``, is; None where it is none that is good."""
        ...

    async def is_demanded(self) -> bool:
        """Whether a key was ever made."""
        ...


class Issuer(Protocol):
    """Whoever makes tokens that are taken in place of keys."""

    def signs(self, token: str) -> bool:
        """Whether ``token`` has the form of one, good or not."""
        ...

    async def caller(self, token: str) -> Caller:
        """Whom it stands for. Unauthenticated, Unavailable."""
        ...


class Keyring:
    """Whom a key stands for: those of ``API_KEYS``, by their digests, those in the records, and tokens.

    A key is asked for where there is one of either sort or an issuer, or one is ``required`` all the same.
    """

    def __init__(
        self,
        keys: Mapping[str, ApiKey],
        made: MadeKeys,
        issuer: Issuer | None = None,
        *,
        required: bool = False,
    ) -> None:
        self._callers = [(_digest(key.encode()), _caller(entry)) for key, entry in keys.items()]
        self._names = frozenset(entry.name for entry in keys.values())
        self._made = made
        self._issuer = issuer
        self._required = required

    async def caller(self, token: str | None) -> Caller:
        """Whom ``token`` stands for; it is compared with every key of ``API_KEYS`` in constant time.

        ``token`` is the header's text, Latin-1 as HTTP has it. Unauthenticated when a key is
        needed and this is none, Unavailable when the records are needed and away.
        """
        if token and (caller := self._of_settings(token)):
            return caller
        if token and (key_id := id_of(token)):
            return await self._of_records(key_id, token)
        if token and self._issuer and self._issuer.signs(token):
            return await self._issuer.caller(token)
        if not await self._demanded():
            return ANYBODY
        raise Unauthenticated("Send a key: Authorization: Bearer KEY" if token is None else _UNKNOWN)

    def _of_settings(self, token: str) -> Caller | None:
        digest = _digest(token.encode("latin-1", "replace"))
        matches = [caller for known, caller in self._callers if hmac.compare_digest(known, digest)]
        return matches[0] if matches else None

    async def _of_records(self, key_id: str, token: str) -> Caller:
        """One whose name came to stand in ``API_KEYS`` later is told apart from that one."""
        key = await self._made.authenticate(key_id, token)
        if key is None:
            raise Unauthenticated(_UNKNOWN)
        name = f"{key.name} ({key.id})" if key.name in self._names else key.name
        return Caller(name, key.role, _scope(key.collections), id=key.id)

    async def _demanded(self) -> bool:
        known = bool(self._callers) or self._required or self._issuer is not None
        return known or await self._made.is_demanded()


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()


def _caller(entry: ApiKey) -> Caller:
    return Caller(entry.name, entry.role, _scope(entry.collections))


def _scope(collections: tuple[str, ...]) -> tuple[str, ...] | None:
    return None if ALL in collections else collections
