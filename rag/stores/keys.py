"""Keys in the records: hashes of them alone, in Redis, and in the journal so that they outlive Redis' data.

A key is looked up anew for every request, so that what an admin changes holds from the next one on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from rag.errors import Conflict, NotFound, Transient, Unauthenticated
from rag.keys import Key
from rag.stores.entries import key_entry, key_json
from rag.stores.journal import Journal
from rag.stores.redis import PREFIX, Call, Scripts, reaching_redis, script_texts

_KEYS = f"{PREFIX}keys"
_MOST = 10_000
"""That are neither revoked nor expired."""
_MOST_KEPT = 100_000
_FORGOTTEN_AT_ONCE = 100
_ATTEMPTS = 10
_USED_SECONDS = 60.0
_OPEN_SECONDS = 1.0

Lines = Sequence[bytes]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sighted:
    """``used``: when it last was, to a minute."""

    key: Key
    used: float | None


class KeyRegistry:
    """Makes and changes keys. What a method returned for is in Redis and in ``journal``.

    Redis is written first, since it decides. Everything raises Unavailable where either is away; the same
    call again writes what is missing.
    """

    def __init__(self, client: Redis, journal: Journal, kept_seconds: float) -> None:
        """``kept_seconds``: for which a key that was revoked or has expired is known, so that no backup of
        before brings it back."""
        self._scripts = Scripts(client, "keys")
        self._journal = journal
        self._kept_seconds = kept_seconds

    def add(self, key: Key, *, first: bool = False) -> None:
        """Keep a new key. Conflict when its name is taken, or no more may be made.

        ``first``: nobody's key asks for it, so Unauthenticated once there is a key.
        """
        self._forget()
        outcome = self._put(key, 0, first=first)
        if outcome == b"full":
            raise Conflict(
                f"There are {_MOST} keys, or {_MOST_KEPT} with those that were revoked or have expired: "
                "revoke some, or make them last longer"
            )
        self._mirror(key.id)

    def change(self, key_id: str, changed: Callable[[Key], Key], *, first: bool = False) -> Key:
        """The key as ``changed`` has it. NotFound; what ``changed`` raises; Conflict.

        ``first``: as for :meth:`add`.
        """
        for _ in range(_ATTEMPTS):
            before = self.one(key_id).key
            after = changed(before)
            if after.revision == before.revision or self._put(after, before.revision, first=first) == b"done":
                self._mirror(key_id)
                return after
        raise Conflict(f"Key {key_id} is being changed by others: try again in a moment")

    def one(self, key_id: str) -> Sighted:
        """NotFound when there is none."""
        _, _, _, record, used = self._scripts.run("find", [_KEYS], key_id)
        if record is None:
            raise NotFound(f"There is no key {key_id!r}")
        return Sighted(_key(record), float(used) if used else None)

    def all(self) -> tuple[Sighted, ...]:
        """Every key, revoked ones too, by when they were made."""
        _, records, used = self._scripts.run("all", [_KEYS])
        seen = {key_id: float(at) for key_id, at in _pairs(used)}
        found = (Sighted(_key(record), seen.get(key_id)) for key_id, record in _pairs(records))
        return tuple(sorted(found, key=lambda each: (each.key.created_at, each.key.id)))

    def _forget(self) -> None:
        """Some of those that ended too long ago to matter; more than are made, so that they do not grow."""
        found = self._scripts.run("forget", [_KEYS], self._kept_seconds, _FORGOTTEN_AT_ONCE)
        for key_id in found:
            self._journal.forget_key(key_id.decode())

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
        """Write what Redis knows of the key, until it has not changed meanwhile."""
        key = self.one(key_id).key
        while True:
            self._journal.put_key(key)
            before, key = key, self.one(key_id).key
            if key == before:
                return


class KeyFinder:
    """Looks a key up for a request, in one round trip.

    Where Redis was started again and its last second may be missing, the journal is asked as well, until
    the records are in order: a key that was revoked then stays revoked.
    """

    def __init__(self, client: AsyncRedis, journal: Journal) -> None:
        texts = script_texts("keys")
        self._find, self._used = (client.register_script(texts[name]) for name in ("find", "used"))
        self._journal = journal
        self._open_until = float("-inf")
        self._demanded = False

    async def authenticate(self, key_id: str, token: str) -> Key | None:
        """The key that ``token`` is; None where it is none that is good. ``key_id``: what it names."""
        now, current, _, record, used = await self._found(key_id)
        key = _key(record) if record else None
        if not current:
            key = _newer(key, await asyncio.to_thread(self._journal.key, key_id))
        if key is None or not key.opened_by(token, now):
            return None
        if used is None or abs(now - float(used)) >= _USED_SECONDS:
            await self._note_use(key_id)
        return key

    async def is_demanded(self) -> bool:
        """Whether a key was ever made: then nobody comes in without one. Asked anew after a second."""
        if not self._demanded and monotonic() >= self._open_until:
            _, current, demanded, _, _ = await self._found("")
            self._demanded = bool(demanded) or (not current and await asyncio.to_thread(self._any_kept))
            self._open_until = monotonic() + _OPEN_SECONDS
        return self._demanded

    async def _note_use(self, key_id: str) -> None:
        """A server that takes no writes now lets readers in all the same."""
        try:
            with reaching_redis():
                await self._used(keys=[_KEYS], args=[key_id])
        except Transient as error:
            log.info("the use of key %s is not noted: %s", key_id, error)

    async def _found(self, key_id: str) -> tuple[float, int, int, bytes | None, bytes | None]:
        with reaching_redis():
            now, *rest = await self._find(keys=[_KEYS], args=[key_id])
        return (float(now), *rest)

    def _any_kept(self) -> bool:
        return any(_closes(key) for key in self._journal.made_keys())


class KeyRestoration:
    """Brings keys back, past the fence. Leaves what is newer, so anything may be repeated in any order."""

    def __init__(self, client: Redis) -> None:
        self._scripts = Scripts(client, "keys", fenced=False)

    def restore(self, keys: Iterable[Key]) -> int:
        """How many are there as given now, and were not before."""
        return sum(self._scripts.run_each("restore", map(_restoring, keys)))

    def known(self) -> frozenset[str]:
        """Ids of all that there are."""
        _, records, _ = self._scripts.run("all", [_KEYS])
        return frozenset(key_id for key_id, _ in _pairs(records))


def _restoring(key: Key) -> Call:
    return [_KEYS], (key.id, _record(key), key.name, int(key.holds_name), _closes(key), _ends(key))


def _closes(key: Key) -> int:
    """Whether nobody comes in without a key once this one is there: not while it is suspended."""
    return int(not key.restored_from)


def _ends(key: Key) -> float:
    """When it was revoked, or else expires; never: infinity."""
    ends = key.revoked_at if key.revoked_at is not None else key.expires_at
    return inf if ends is None else ends


def _record(key: Key) -> bytes:
    return b"%d %s" % (key.revision, key_json(key))


def _key(record: bytes) -> Key:
    return key_entry("", record.partition(b" ")[2])


def _newer(one: Key | None, other: Key | None) -> Key | None:
    return max((key for key in (one, other) if key), key=lambda key: key.revision, default=None)


def _pairs(flat: Lines) -> Iterator[tuple[str, bytes]]:
    for key_id, value in zip(flat[::2], flat[1::2], strict=True):
        yield key_id.decode(), value
