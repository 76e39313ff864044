"""Who calls, and what they may do: API keys, roles, collection scopes.

Without ``API_KEYS`` every caller may do everything. Roles contain each other:
``read`` < ``write`` < ``admin``. A key reaches the collections that it lists, or all with
``*``; what lies outside is forbidden (403) where the call names a collection, and not
there (404) where it names a job. Backups hold all collections, so they take a key that reaches all.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from rag.errors import Forbidden, Unauthenticated
from rag.model import ABOUT_BACKUPS, JobKind
from rag.settings import ApiKey, Role

_RANK = {Role.READ: 0, Role.WRITE: 1, Role.ADMIN: 2}
_STEERED_BY = {
    **dict.fromkeys(JobKind, Role.WRITE),
    JobKind.QUERY: Role.READ,
    **dict.fromkeys(ABOUT_BACKUPS, Role.ADMIN),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """``collections`` None: all."""

    name: str
    role: Role
    collections: tuple[str, ...] | None

    def reaches(self, collection: str) -> bool:
        return self.collections is None or collection in self.collections

    def must_be(self, role: Role) -> None:
        """Forbidden for a key of a lesser role."""
        if _RANK[self.role] < _RANK[role]:
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
        return _RANK[self.role] >= _RANK[_STEERED_BY[kind]]

    def must_steer(self, kind: JobKind) -> None:
        """Forbidden for a key of a lesser role."""
        self.must_be(_STEERED_BY[kind])


ANYBODY = Caller("anybody", Role.ADMIN, None)


class Keyring:
    """The keys of ``API_KEYS``, by their digests."""

    def __init__(self, keys: Mapping[str, ApiKey]) -> None:
        self._callers = [(_digest(key.encode()), _caller(entry)) for key, entry in keys.items()]

    @property
    def empty(self) -> bool:
        return not self._callers

    def caller(self, token: str | None) -> Caller:
        """Whom ``token`` stands for; it is compared with every key in constant time.

        ``token`` is the header's text, Latin-1 as HTTP has it. Unauthenticated when a key is
        needed and this is none.
        """
        if self.empty:
            return ANYBODY
        if token is None:
            raise Unauthenticated("Send a key: Authorization: Bearer KEY")
        digest = _digest(token.encode("latin-1", "replace"))
        matches = [caller for known, caller in self._callers if hmac.compare_digest(known, digest)]
        if not matches:
            raise Unauthenticated("This key is not known; ask the operator for one")
        return matches[0]


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()


def _caller(entry: ApiKey) -> Caller:
    return Caller(entry.name, entry.role, None if "*" in entry.collections else entry.collections)
