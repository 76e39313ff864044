"""Whether the servers of models answered when they were last called, as all workers together know it."""

import logging
from collections.abc import Mapping
from time import monotonic

from redis import Redis

from rag.errors import Transient
from rag.redis.connection import PREFIX, reaching_redis

FORGET_SECONDS = 300
"""After which it is not known any more whether a server answers that nobody called."""

_SERVER = f"{PREFIX}server:"
_AGAIN_SECONDS = 10.0  # in which the same news is not written again

log = logging.getLogger(__name__)


class ServerHealth:
    """``{aegis}:server:NAME`` is 1 or 0, and expires."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._noted: dict[str, tuple[bool, float]] = {}

    def note(self, server: str, answered: bool) -> None:
        """Note how a call went. Nothing depends on it, so it raises nothing while Redis is away."""
        known, at = self._noted.get(server, (None, 0.0))
        if answered == known and monotonic() - at < _AGAIN_SECONDS:
            return
        try:
            with reaching_redis():
                self._client.set(f"{_SERVER}{server}", int(answered), ex=FORGET_SECONDS)
        except Transient as error:
            log.debug("the health of %s cannot be noted: %s", server, error)
        else:
            self._noted[server] = (answered, monotonic())

    def read(self, servers: tuple[str, ...]) -> Mapping[str, bool]:
        """Those of ``servers`` of which it is known whether they answer. Raises Unavailable."""
        with reaching_redis():
            pipeline = self._client.pipeline(transaction=False)
            for name in servers:
                pipeline.get(f"{_SERVER}{name}")
            found: list[bytes | None] = pipeline.execute()
        return {name: each == b"1" for name, each in zip(servers, found, strict=True) if each is not None}
