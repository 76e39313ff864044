"""``Cache`` on Redis: shared by all workers, bounded, and the first to shrink when memory is short."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from time import monotonic

from redis import Redis

from rag.errors import Transient
from rag.model import CacheFigures, CacheKind, CacheOutcome
from rag.redis.connection import PREFIX, Scripts, reaching_redis
from rag.redis.health import BrokerWatch
from rag.settings import Settings

_ROOT = f"{PREFIX}cache:"
_QUIET_SECONDS = 60.0

log = logging.getLogger(__name__)


class RedisCache:
    """Entries in ``client``'s database; ``cache.lua`` lists the keys.

    It stores nothing while the broker's memory is short, nor with CACHE_TTL_SECONDS=0. Lookups that
    failed are counted when the broker is back.
    """

    def __init__(self, client: Redis, settings: Settings) -> None:
        self._client = client
        self._scripts = Scripts(client, "redis/cache")
        self._broker = BrokerWatch(client, settings)
        self._lifetime = settings.cache_ttl_seconds
        self._most = settings.cache_mb << 20
        self._failed: Counter[CacheKind] = Counter()
        self._logged_at: float | None = None

    def get(self, kind: CacheKind, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys or not self._lifetime:
            return {}
        failed = self._failed[kind]
        try:
            values = self._scripts.run("get", [_ROOT], kind, self._lifetime, failed, *keys)
        except Transient as error:
            self._failed[kind] += len(keys)
            self._warn(error)
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
            self._warn(error)

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

    def _warn(self, error: Transient) -> None:
        # once a minute is enough: without the cache the models do the work
        now = monotonic()
        if self._logged_at is None or now - self._logged_at > _QUIET_SECONDS:
            log.warning("the cache cannot be used now: %s", error)
            self._logged_at = now
