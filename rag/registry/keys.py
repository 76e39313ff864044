"""The API keys that the service made. Their hashes are in Redis, and in the journal in case Redis is lost.

Every request looks up its key, so an admin's change takes effect with the next request.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from rag.access.keys import Key
from rag.errors import Conflict, NotFound, Transient, Unauthenticated
from rag.journal.entries import key_entry, key_json
from rag.journal.journal import Journal
from rag.redis.connection import PREFIX, Call, Scripts, reaching_redis
from rag.redis.lua import script_texts

_KEYS = f"{PREFIX}keys"
_MOST = 10_000
"""Keys that are neither revoked nor expired."""

_MOST_KEPT = 100_000
_FORGOTTEN_AT_ONCE = 100
_ATTEMPTS = 10
_USED_SECONDS = 60.0
_OPEN_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeyWithUse:
    """A key, and when it was last ``used``: Unix seconds, up to a minute early; None: never."""

    key: Key
    used: float | None


class KeyRegistry:
    """Makes and changes keys. Once a method returns, its change is in Redis and in ``journal``.

    Redis is written first, since it decides. Every method raises Unavailable when either is away; the same
    call again writes what is missing.
    """

    def __init__(self, client: Redis, journal: Journal, kept_seconds: float) -> None:
        """``kept_seconds``: how long revoked and expired keys are kept, so that no older backup restores
        them."""
        self._scripts = Scripts(client, "registry/keys")
        self._journal = journal
        self._kept_seconds = kept_seconds

    def add(self, key: Key, *, first: bool = False) -> None:
        """Add a key. Conflict when its name is taken, or there are too many keys.

        ``first``: the caller has no key, so Unauthenticated once there is one.
        """
        # each call removes more ended keys than it adds, so that they do not pile up
        for key_id in self._scripts.run("forget", [_KEYS], self._kept_seconds, _FORGOTTEN_AT_ONCE):
            self._journal.forget_key(key_id.decode())
        outcome = self._put(key, 0, first=first)
        if outcome == b"full":
            raise Conflict(
                f"There are {_MOST} keys, or {_MOST_KEPT} with those that were revoked or have expired: "
                "revoke some, or make them last longer"
            )
        self._mirror(key.id)

    def change(self, key_id: str, changed: Callable[[Key], Key], *, first: bool = False) -> Key:
        """Replace the key with ``changed(key)``. Raises NotFound, Conflict, and what ``changed`` raises.

        ``first``: as for :meth:`add`.
        """
        for _ in range(_ATTEMPTS):
            before = self.one(key_id).key
            after = changed(before)
            if after.revision == before.revision or self._put(after, before.revision, first=first) == b"done":
                self._mirror(key_id)
                return after
        raise Conflict(f"Key {key_id} is being changed by others: try again in a moment")

    def one(self, key_id: str) -> KeyWithUse:
        """The key with this id. NotFound when there is none."""
        _, _, _, record, used = self._scripts.run("find", [_KEYS], key_id)
        if record is None:
            raise NotFound(f"There is no key {key_id!r}")
        return KeyWithUse(_key(record), float(used) if used else None)

    def all(self) -> tuple[KeyWithUse, ...]:
        """Every key, also revoked ones, in the order in which they were made."""
        _, records, used = self._scripts.run("all", [_KEYS])
        seen = {key_id: float(at) for key_id, at in _pairs(used)}
        found = (KeyWithUse(_key(record), seen.get(key_id)) for key_id, record in _pairs(records))
        return tuple(sorted(found, key=lambda each: (each.key.created_at, each.key.id)))

    def _put(self, key: Key, after: int, *, first: bool = False) -> bytes:
        outcome: bytes = self._scripts.run(
            "put",
            [_KEYS],
            key.id,
            _record(key),
            after,
            key.name,
            int(key.holds_name),
            _closes(key),
            int(first),
            _ends(key),
            _MOST,
            _MOST_KEPT,
        )
        if outcome == b"demanded":
            raise Unauthenticated("There are keys by now: send one that may make and change others")
        if outcome == b"taken":
            raise Conflict(f"The name {key.name!r} is another key's: choose another one, or revoke that key")
        return outcome

    def _mirror(self, key_id: str) -> None:
        """Write the key's entry, again if it has changed meanwhile."""
        key = self.one(key_id).key
        while True:
            self._journal.put_key(key)
            before, key = key, self.one(key_id).key
            if key == before:
                return


class KeyFinder:
    """Looks up a key for a request, in one round trip.

    After a restart of Redis, whose last second may be missing, it reads the journal too until the
    records are rebuilt: so a key that was revoked in that second stays revoked.
    """

    def __init__(self, client: AsyncRedis, journal: Journal) -> None:
        texts = script_texts("registry/keys")
        self._find, self._used = (client.register_script(texts[name]) for name in ("find", "used"))
        self._journal = journal
        self._open_until = float("-inf")
        self._demanded = False

    async def authenticate(self, key_id: str, token: str) -> Key | None:
        """The valid key of ``token``, None when there is none. ``key_id``: the id in the token."""
        now, current, _, record, used = await self._lookup(key_id)
        found = [_key(record)] if record else []
        if not current and (entry := await asyncio.to_thread(self._journal.key, key_id)):
            found.append(entry)
        key = max(found, key=lambda each: each.revision, default=None)
        if key is None or not key.opened_by(token, now):
            return None
        if used is None or abs(now - float(used)) >= _USED_SECONDS:
            try:
                with reaching_redis():
                    await self._used(keys=[_KEYS], args=[key_id])
            except Transient as error:  # a Redis that takes no writes must not keep readers out
                log.info("the use of key %s is not recorded: %s", key_id, error)
        return key

    async def is_demanded(self) -> bool:
        """Whether a key was ever made, so that every caller needs one. "No" is checked again each second."""
        if not self._demanded and monotonic() >= self._open_until:
            _, current, demanded, _, _ = await self._lookup("")
            if not demanded and not current:
                demanded = await asyncio.to_thread(lambda: any(map(_closes, self._journal.made_keys())))
            self._demanded = bool(demanded)
            self._open_until = monotonic() + _OPEN_SECONDS
        return self._demanded

    async def _lookup(self, key_id: str) -> tuple[float, int, int, bytes | None, bytes | None]:
        with reaching_redis():
            now, *rest = await self._find(keys=[_KEYS], args=[key_id])
        return (float(now), *rest)


class KeyRestoration:
    """Restores keys while Redis is rebuilt. It keeps newer keys, so calls may be repeated in any order."""

    def __init__(self, client: Redis) -> None:
        self._scripts = Scripts(client, "registry/keys", fenced=False)

    def restore(self, keys: Iterable[Key]) -> int:
        """Restore ``keys``. Returns how many of them were missing or older."""
        calls: Iterator[Call] = (
            ([_KEYS], (key.id, _record(key), key.name, int(key.holds_name), _closes(key), _ends(key)))
            for key in keys
        )
        return sum(self._scripts.run_each("restore", calls))

    def known(self) -> frozenset[str]:
        """The ids of all keys."""
        _, records, _ = self._scripts.run("all", [_KEYS])
        return frozenset(key_id for key_id, _ in _pairs(records))


def _closes(key: Key) -> int:
    """1 if every caller needs a key once this one exists; 0 while it is suspended after a restore."""
    return int(not key.restored_from)


def _ends(key: Key) -> float:
    """When the key was revoked, or else when it expires, in Unix seconds; infinity: never."""
    ends = key.revoked_at if key.revoked_at is not None else key.expires_at
    return inf if ends is None else ends


def _record(key: Key) -> bytes:
    return b"%d %s" % (key.revision, key_json(key))


def _key(record: bytes) -> Key:
    return key_entry("", record.partition(b" ")[2])


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    for key_id, value in zip(flat[::2], flat[1::2], strict=True):
        yield key_id.decode(), value
