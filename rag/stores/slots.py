"""Which replica of a model server takes the next call, and how many it has, counted over all workers.

A call holds a slot of its replica, which ends by itself when its worker dies. Replicas that
just failed are left alone for a while. Times are by the clock of the Redis server.
"""

from collections.abc import Sequence
from hashlib import sha256
from random import sample

from redis import Redis

from rag.errors import Overloaded, Unavailable
from rag.stores.redis import PREFIX, Scripts

SLOT_SECONDS = 15.0
"""How long a slot lasts that nobody renews."""

_LONGEST_AWAY = 60.0


class Slots:
    """The slots of ``replicas``, which are addresses; at most ``limit`` of each are taken at once.

    Every method raises Unavailable or Overloaded when Redis is away or full.
    """

    def __init__(self, client: Redis, replicas: Sequence[str], limit: int) -> None:
        self.replicas = tuple(replicas)
        self._limit = limit
        self._scripts = Scripts(client, "slots")

    def take(self, holder: str) -> str:
        """The replica that ``holder`` has a slot of: the least used one that is not left alone.

        Raises Overloaded when each of these is full, Unavailable when all are left alone, with
        ``retry_after``.
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
        """The slot lasts ``SLOT_SECONDS`` from now on."""
        self._scripts.run("renew", [_slots(replica)], holder, SLOT_SECONDS)

    def free(self, replica: str, holder: str) -> None:
        self._scripts.run("free", [_slots(replica)], holder)

    def avoid(self, replica: str, seconds: float) -> None:
        """Leave ``replica`` alone for so long, a minute at most, unless it is the only one."""
        if len(self.replicas) > 1:
            self._scripts.run("avoid", [_away(replica)], round(min(seconds, _LONGEST_AWAY) * 1000))


def _slots(replica: str) -> str:
    return f"{PREFIX}slots:{_named(replica)}"


def _away(replica: str) -> str:
    return f"{PREFIX}away:{_named(replica)}"


def _named(replica: str) -> str:
    """An address may hold a password, so its digest stands for it."""
    return sha256(replica.encode()).hexdigest()[:16]
