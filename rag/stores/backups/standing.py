"""How backups stand, for metrics, health and the console: the last word on each kind of work, in Redis."""

import json
from collections.abc import Mapping
from typing import cast

from redis import Redis

from rag.model import JobKind, Json
from rag.stores.redis import PREFIX, reaching_redis

_KEY = f"{PREFIX}backups"


class Standing:
    """``{aegis}:backups``: a hash, kind of job -> JSON. Raises Unavailable when Redis is away.

    Every word has ``at`` (Unix seconds), ``backup`` (its id), ``ok`` and ``seconds``, and what its kind adds.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client

    def note(self, kind: JobKind, word: Json) -> None:
        """Replaces the last word on this kind; of what succeeded also the last good one."""
        fields = {kind.value: json.dumps(word)}
        if word["ok"]:
            fields[f"{kind.value}:good"] = fields[kind.value]
        with reaching_redis():
            self._client.hset(_KEY, items=[part for pair in fields.items() for part in pair])

    def words(self) -> Mapping[str, Json]:
        """The last word by kind, and under ``KIND:good`` the last on one that succeeded."""
        with reaching_redis():
            found = cast("dict[bytes, bytes]", self._client.hgetall(_KEY))
        return {name.decode(): json.loads(word) for name, word in found.items()}
