"""Slots of a model server's replicas: which one takes the next call, counted over all workers.

A call holds a slot of its replica; the slot expires by itself when its worker dies. Replicas that
just failed are avoided for a while. Times are by the clock of the Redis server.
"""

from collections.abc import Sequence
from hashlib import sha256
from random import sample

from redis import Redis

from rag.errors import Overloaded, Unavailable
from rag.redis.connection import PREFIX, Scripts, reaching_redis
from rag.redis.rate_limiter import ServerState

SLOT_SECONDS = 15.0
"""After which a slot expires that is not renewed."""

_LONGEST_AWAY = 60.0


class Slots:
    """The slots of ``replicas`` (addresses), ``limit`` each.

    Every method raises Unavailable or Overloaded when Redis is away or full.
    """

    def __init__(self, client: Redis, replicas: Sequence[str], limit: int) -> None:
        self.replicas = tuple(replicas)
        self._limit = limit
        self._client = client
        self._scripts = Scripts(client, "redis/slots")

    def take(self, holder: str) -> str:
        """Take a slot of the least used replica that is not avoided. Returns the replica.

        Raises Overloaded when all of these are full; Unavailable with ``retry_after`` when all replicas
        are avoided.
        """
        order = sample(self.replicas, len(self.replicas))
        keys = [key for replica in order for key in (_slots(replica), _away(replica))]
        chosen, *left = self._scripts.run("take", keys, holder, self._limit, SLOT_SECONDS, _LONGEST_AWAY)
        if chosen == 0:
            raise Overloaded(f"{', '.join(self.replicas)}: {self._limit} at once each, and all are taken")
        if chosen < 0:
            raise Unavailable(f"{', '.join(self.replicas)}: all failed just now", retry_after=left[0] / 1000)
        replica: str = order[chosen - 1]
        return replica

    def renew(self, replica: str, holder: str) -> None:
        """Make the slot last ``SLOT_SECONDS`` from now on."""
        self._scripts.run("renew", [_slots(replica)], holder, SLOT_SECONDS)

    def free(self, replica: str, holder: str) -> None:
        self._scripts.run("free", [_slots(replica)], holder)

    def state(self) -> ServerState:
        """The breaker counts as open while all replicas are avoided. Ollama has no rate limit."""
        with reaching_redis():
            avoided = self._client.exists(*map(_away, self.replicas))
        return ServerState(breaker_open=avoided == len(self.replicas), rate_limited=False)

    def avoid(self, replica: str, seconds: float) -> None:
        """Avoid ``replica`` for so many seconds, at most a minute, unless it is the only one."""
        if len(self.replicas) > 1:
            self._scripts.run("avoid", [_away(replica)], round(min(seconds, _LONGEST_AWAY) * 1000))


def _slots(replica: str) -> str:
    return f"{PREFIX}slots:{_digest(replica)}"


def _away(replica: str) -> str:
    return f"{PREFIX}away:{_digest(replica)}"


def _digest(replica: str) -> str:
    # an address may contain a password, so only its digest is stored
    return sha256(replica.encode()).hexdigest()[:16]
