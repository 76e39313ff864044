"""The status of backups, in Redis: the last result of each kind of job, and which backups are damaged."""

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
"""A rehearsal also does what jobs of these kinds do."""


class BackupStatus:
    """``{aegis}:backups``: a hash, kind of job -> JSON. Beside it, ``…:damaged``: id of a backup -> JSON.

    Raises Unavailable when Redis is away.

    Every result has ``at`` (Unix seconds), ``backup`` (its id), ``ok``, ``seconds``, and fields of its kind.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    def note(self, kind: JobKind, result: Json) -> None:
        """Replace the last result of this kind, and its last good result if it succeeded.

        A backup stays damaged until a job of the kind that found the damage, or a rehearsal, finds it whole.
        """
        fields = {kind.value: json.dumps(result)}
        if result["ok"]:
            fields[f"{kind.value}:good"] = fields[kind.value]
        with reaching_redis():
            self._client.hset(_KEY, items=[part for pair in fields.items() for part in pair])
            if result.get("reason") == DamagedBackup.code:
                damage = json.dumps({"at": result["at"], "kind": kind.value})
                self._client.hset(_DAMAGED, result["backup"], damage)
            elif result["ok"]:
                found = cast("bytes | None", self._client.hget(_DAMAGED, result["backup"]))
                if found and json.loads(found)["kind"] in (kind, *_PROVEN_BY.get(kind, ())):
                    self.forget_damage([result["backup"]])

    def damages(self) -> Mapping[str, float]:
        """When damage was found, by the id of each damaged backup."""
        with reaching_redis():
            found = cast("dict[bytes, bytes]", self._client.hgetall(_DAMAGED))
        return {backup.decode(): json.loads(word)["at"] for backup, word in found.items()}

    def forget_damage(self, backups: Collection[str]) -> None:
        """Call it for backups that are whole again, or gone."""
        if backups:
            with reaching_redis():
                self._client.hdel(_DAMAGED, *backups)

    def results(self) -> Mapping[str, Json]:
        """The last result by kind, and under ``KIND:good`` the last good one."""
        with reaching_redis():
            found = cast("dict[bytes, bytes]", self._client.hgetall(_KEY))
        return {name.decode(): json.loads(word) for name, word in found.items()}
