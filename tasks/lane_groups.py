"""Which lanes one worker serves: each its own in production, several together under ``aegis up``.

Most lanes of an idle installation wait. On a laptop those that do not hold each other up share a worker,
which takes their tasks one after another in a solo pool: one process instead of four or six. Lanes, queues
and stages stay the same. See ``docs/decisions/0056-shared-workers.md``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rag.errors import ConfigurationError
from rag.model import Stage
from rag.settings import Settings
from tasks.lanes import LANES, Lane, lane_named, worker_command

SHARING: tuple[tuple[str, ...], ...] = (
    ("embed-query", "rerank", "generate"),
    ("parse", "index"),
    ("embed",),
    ("fetch", "maintenance"),
    ("ocr", "backup"),
)
"""Lanes that may share a worker.

A question never waits for a document. A scan, which may take long, holds up backups alone; a server that
hangs holds up other fetches and the upkeep. What embeds documents needs the processor for itself.
"""

_HERE = frozenset({"bundled", "extractive"})
"""Models of this machine. A lane that waits for a server's model shares no worker: others would wait too."""


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """The lanes of one worker, at least one, and its Celery pool, which is solo where there are several."""

    lanes: tuple[Lane, ...]
    pool: str = "solo"

    @classmethod
    def of(cls, queues: Sequence[str], pool: str) -> Self:
        """Of a worker's options. ConfigurationError for queues that are no lanes or may not share one."""
        names = [lane.name for lane in LANES]
        shared = any(set(queues) <= set(sharing) for sharing in SHARING)
        if not queues or not set(queues) <= set(names) or not (shared or len(queues) == 1):
            together = "; ".join(",".join(sharing) for sharing in SHARING if len(sharing) > 1)
            raise ConfigurationError(
                f"a worker serves exactly one lane: --queues with one of {', '.join(names)}; "
                f"or several of {together}"
            )
        return cls(tuple(map(lane_named, queues)), pool)

    @property
    def name(self) -> str:
        """The lane's name, or the names of all with a plus between, as in the worker's node name."""
        return "+".join(lane.name for lane in self.lanes)

    @property
    def nice(self) -> int:
        """The highest of the lanes: none gets more of the processor than it had alone."""
        return max(lane.nice for lane in self.lanes)

    @property
    def stages(self) -> frozenset[Stage]:
        return frozenset(stage for lane in self.lanes for stage in lane.stages)

    def command(self, settings: Settings) -> list[str]:
        """The argv of the worker. One with a solo pool bounds its tasks itself: see workers.time_limits."""
        if self.pool == "prefork":
            return self.lanes[0].command(settings)
        return worker_command(self.lanes, settings, "--pool", self.pool)


def alone(lane: Lane) -> LaneGroup:
    """A worker for this lane, with the lane's pool."""
    return LaneGroup((lane,), lane.pool)


def lane_groups(settings: Settings) -> tuple[LaneGroup, ...]:
    """The workers of ``aegis up``, in the order of their first lanes; without SHARED_WORKERS one a lane."""
    groups: dict[tuple[str, ...], LaneGroup] = {}
    for lane in LANES:
        sharing = _sharing(lane, settings)
        if not sharing:
            groups[lane.name,] = alone(lane)
        else:
            before = groups[sharing].lanes if sharing in groups else ()
            groups[sharing] = LaneGroup((*before, lane))
    return tuple(groups.values())


def _sharing(lane: Lane, settings: Settings) -> tuple[str, ...]:
    """The lanes that ``lane`` may share a worker with, as the settings are; () where it has its own."""
    models = {
        "embed-query": settings.embedded_by,
        "rerank": settings.reranked_by,
        "generate": settings.answered_by,
    }
    if not settings.shared_workers or models.get(lane.name, "bundled") not in _HERE:
        return ()
    return next(sharing for sharing in SHARING if lane.name in sharing)
