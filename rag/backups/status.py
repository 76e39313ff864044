"""How backups stand, in Redis: the last word on each kind of work, and which backups are damaged."""

import json
from collections.abc import Collection, Mapping
from typing import cast

from redis import Redis

from rag.errors import DamagedBackup
from rag.model import JobKind, Json
from rag.redis.connection import PREFIX, reaching_redis

_KEY = f"{PREFIX}backups"
_DAMAGED = f"{PREFIX}backups:damaged"


_PROVEN_BY: Mapping[JobKind, tuple[JobKind, ...]] = {JobKind.REHEARSE: (JobKind.VERIFY, JobKind.RESTORE)}
"""Work that includes that of other kinds."""


class BackupStatus:
    """``{aegis}:backups``: a hash, kind of job -> JSON. Beside it, ``…:damaged``: id of a backup -> JSON.

    Raises Unavailable when Redis is away.

    Every word has ``at`` (Unix seconds), ``backup`` (its id), ``ok`` and ``seconds``, and what its kind adds.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    def note(self, kind: JobKind, word: Json) -> None:
        """Replaces the last word on this kind; of what succeeded also the last good one.

        A backup stays damaged until work of the kind that found so has found it whole, or a rehearsal has.
        """
        fields = {kind.value: json.dumps(word)}
        if word["ok"]:
            fields[f"{kind.value}:good"] = fields[kind.value]
        with reaching_redis():
            self._client.hset(_KEY, items=[part for pair in fields.items() for part in pair])
        if word.get("reason") == DamagedBackup.code:
            found = json.dumps({"at": word["at"], "kind": kind.value})
            with reaching_redis():
                self._client.hset(_DAMAGED, word["backup"], found)
        elif word["ok"] and self._found_by(word["backup"]) in (kind, *_PROVEN_BY.get(kind, ())):
            self.forget_damage([word["backup"]])

    def damages(self) -> Mapping[str, float]:
        """By id of each backup that is known to be damaged, when that was found."""
        with reaching_redis():
            found = cast("dict[bytes, bytes]", self._client.hgetall(_DAMAGED))
        return {backup.decode(): json.loads(word)["at"] for backup, word in found.items()}

    def forget_damage(self, backups: Collection[str]) -> None:
        """Of backups that are whole again, or gone."""
        if backups:
            with reaching_redis():
                self._client.hdel(_DAMAGED, *backups)

    def _found_by(self, backup: str) -> str | None:
        with reaching_redis():
            word = cast("bytes | None", self._client.hget(_DAMAGED, backup))
        return None if word is None else str(json.loads(word)["kind"])

    def words(self) -> Mapping[str, Json]:
        """The last word by kind, and under ``KIND:good`` the last on one that succeeded."""
        with reaching_redis():
            found = cast("dict[bytes, bytes]", self._client.hgetall(_KEY))
        return {name.decode(): json.loads(word) for name, word in found.items()}
