"""Whether calls to model servers are held back: circuit breakers and rate limits, shared by all workers."""

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rag.errors import Transient
from rag.model import Stage
from rag.redis.connection import connect
from rag.redis.rate_limiter import ServerState
from rag.settings import Settings
from tasks.lane_groups import LaneGroup

_OPEN = "1 while calls to it fail at once, since it failed too often just now; 0 otherwise"
_LIMITED = "1 while it lets us send fewer calls than we have; 0 otherwise"

log = logging.getLogger(__name__)


class Guard(Protocol):
    """What admits calls to a server."""

    def state(self) -> ServerState:
        """Whether calls go out now. Raises Unavailable when Redis is away."""
        ...


class ServerStates(Collector):
    """Reads the state of each server's guard when Prometheus asks. Tells nothing while Redis is away."""

    def __init__(self, guards: Mapping[str, Guard]) -> None:
        """``guards``: by the name of the server's kind."""
        self._guards = guards

    def collect(self) -> Iterable[Metric]:
        breaker = GaugeMetricFamily("aegis_dependency_breaker_open", _OPEN, labels=["dependency"])
        limited = GaugeMetricFamily("aegis_dependency_rate_limited", _LIMITED, labels=["dependency"])
        try:
            for name, guard in self._guards.items():
                state = guard.state()
                breaker.add_metric([name], state.breaker_open)
                limited.add_metric([name], state.rate_limited)
        except Transient as error:
            log.debug("the states of model servers are missing from /metrics: %s", error)
            return []
        return [breaker, limited]


def guards_of(settings: Settings, group: LaneGroup) -> Mapping[str, Guard]:
    """The guards of the servers that the lanes' stages call."""
    embeds = {Stage.EMBED, Stage.REEMBED, Stage.COMPARE, Stage.EMBED_QUERY} & group.stages
    reranks = Stage.RERANK in group.stages
    guards: dict[str, Guard] = {}
    if (embeds and settings.embedded_by == "jina") or (reranks and settings.reranked_by == "jina"):
        from workers.jina.client import limiter_of  # noqa: PLC0415 - only such a lane needs it

        guards["jina"] = limiter_of(settings, connect(settings))
    if Stage.GENERATE in group.stages and settings.answered_by == "ollama":
        from workers.generation.ollama import slots_of  # noqa: PLC0415 - only such a lane needs it

        guards["ollama"] = slots_of(settings)
    return guards
