"""Which workers take tasks, and whether beat goes through its schedule."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from prometheus_client.metrics_core import Metric

from api.metrics.families import StoreCollector, gauge, gauges
from rag.redis.heartbeats import Heartbeats
from tasks.submit.submissions import LANES


@dataclass(eq=False)
class LivenessCollector(StoreCollector):
    """Workers by lane, and the scheduler's ticks, from their heartbeats."""

    heartbeats: Heartbeats
    subject = "heartbeats"

    def families(self) -> Iterable[Metric]:
        signs = self.heartbeats.read_signs()
        alive = {lane: sum(sign.hang() is None for sign in signs.lane(lane)) for lane in LANES}
        age = signs.beats[0]["age"] if signs.beats else inf
        yield gauges("aegis_workers_alive", "Workers that take tasks", "lane", alive)
        yield gauge("aegis_beat_tick_age_seconds", "Seconds since the scheduler last ticked", age)
