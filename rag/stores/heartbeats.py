"""Signs of life of the parts that work behind the API, in Redis.

``{aegis}:heartbeat:COMPONENT`` is JSON ``{"at": unix seconds, …}`` and expires, so a part
that stops beating is simply not there; ``{aegis}:heartbeats`` lists the names ever heard.
"""

import json
from time import time
from typing import cast

from redis import Redis

from rag.model import Json
from rag.stores.redis import PREFIX, reaching_redis

_NAMES = f"{PREFIX}heartbeats"


class Heartbeats:
    """Raises Unavailable when Redis is away."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def beat(self, component: str, info: Json, ttl_seconds: float) -> None:
        """Say that ``component`` is alive for ``ttl_seconds``; ``info`` is shown in /health/ready."""
        value = json.dumps({"at": time(), **info})
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(_key(component), value, px=max(1, round(ttl_seconds * 1000)))
            pipeline.sadd(_NAMES, component)
            pipeline.execute()

    def alive(self) -> dict[str, Json]:
        """The last beat of each component that is alive, by name."""
        with reaching_redis():
            names = sorted(cast(set[bytes], self._client.smembers(_NAMES)))
            if not names:
                return {}
            beats = cast(list[bytes | None], self._client.mget([_key(name.decode()) for name in names]))
        return {
            name.decode(): json.loads(beat)
            for name, beat in zip(names, beats, strict=True)
            if beat is not None
        }


def _key(component: str) -> str:
    return f"{PREFIX}heartbeat:{component}"
