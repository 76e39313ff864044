"""What answers and ingestions used: caches, and tokens of remote models."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from api.metrics.families import StoreCollector, counters, gauge
from rag.ports import Cache
from rag.redis.token_usage import TokenUsage


@dataclass(eq=False)
class UsageCollector(StoreCollector):
    """Tokens of remote models, counted by all workers."""

    usage: TokenUsage
    subject = "tokens of remote models"

    def families(self) -> Iterable[Metric]:
        text = "Tokens that remote models took, as they count them"
        yield counters("aegis_model_tokens", text, ("model", "purpose"), self.usage.totals())


@dataclass(eq=False)
class CacheCollector(StoreCollector):
    """What all workers found in the caches, and the caches' size."""

    cache: Cache
    subject = "figures of the caches"

    def families(self) -> Iterable[Metric]:
        figures = self.cache.figures()
        text, labels = "Texts and questions looked up", ("cache", "outcome")
        yield counters("aegis_cache_requests", text, labels, figures.asked)
        yield gauge("aegis_cache_bytes", "Bytes that are kept", figures.size)
