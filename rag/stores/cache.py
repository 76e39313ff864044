"""``Cache`` on Redis: shared by all workers, bounded, and the first to give way where memory is short."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic

from redis import Redis

from rag.errors import Transient
from rag.model import CacheFigures, CacheKind, CacheOutcome
from rag.settings import Settings
from rag.stores.condition import BrokerWatch
from rag.stores.redis import PREFIX, Scripts, reaching_redis

_ROOT = f"{PREFIX}cache:"
_QUIET_SECONDS = 60.0

log = logging.getLogger(__name__)


class RedisCache:
    """Entries in ``client``'s database; ``lua/cache/_head.lua`` lists the keys.

    Nothing is put while the broker's memory is short, and nothing at all is kept with
    CACHE_TTL_SECONDS=0. What could not be asked for is counted as soon as the broker is back.
    """

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._scripts = Scripts(client, "cache")
        self._broker = BrokerWatch(client, settings)
        self._lifetime = settings.cache_ttl_seconds
        self._most = settings.cache_mb << 20
        self._failed: Counter[CacheKind] = Counter()
        self._told_at: float | None = None

    def get(self, kind: CacheKind, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys or not self._lifetime:
            return {}
        failed = self._failed[kind]
        try:
            values = self._scripts.run("get", [_ROOT], kind, self._lifetime, failed, *keys)
        except Transient as error:
            self._failed[kind] += len(keys)
            self._tell(error)
            return {}
        self._failed[kind] -= failed
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def put(self, kind: CacheKind, values: Mapping[str, bytes]) -> None:
        if not values or not self._lifetime:
            return
        parts = [part for pair in values.items() for part in pair]
        try:
            if not self._broker.check().tight:
                self._scripts.run("put", [_ROOT], kind, self._lifetime, self._most, *parts)
        except Transient as error:
            self._tell(error)

    def clear(self) -> None:
        with reaching_redis():
            self._client.unlink(*(f"{_ROOT}{name}" for name in ("entries", "ends", "size")))

    def figures(self) -> CacheFigures:
        with reaching_redis(), self._client.pipeline(transaction=False) as pipeline:
            pipeline.hgetall(f"{_ROOT}figures")
            pipeline.get(f"{_ROOT}size")
            counts, size = pipeline.execute()
        asked = {
            (kind, outcome): int(counts.get(f"{kind}:{outcome}".encode(), 0))
            for kind in CacheKind
            for outcome in CacheOutcome
        }
        return CacheFigures(asked=asked, size=int(size or 0))

    def _tell(self, error: Transient) -> None:
        """Once a minute at most: models do the work meanwhile."""
        now = monotonic()
        if self._told_at is None or now - self._told_at > _QUIET_SECONDS:
            log.warning("the cache is of no use now: %s", error)
            self._told_at = now
