"""What waits and runs, by stage, lane, state and kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from api.metrics.families import StoreCollector, gauge, gauges
from rag.model import JobKind, Stage, StageFigures
from rag.ports import JobStore
from tasks.submit.submissions import LANE_STAGES

_LANE_WAITING = (
    "Jobs that a worker could begin now; also those whose worker was lost. "
    "Those that rest until a retry, a rate limit or a later slice are not counted before their time"
)
_LANE_WAITED = "Seconds that the oldest of the waiting jobs has waited, 0 without one"


@dataclass(eq=False)
class QueueCollector(StoreCollector):
    """The queue's figures; ``most_open``: how many jobs of a kind may be open."""

    jobs: JobStore
    most_open: Mapping[JobKind, int]
    subject = "queue figures"

    def families(self) -> Iterable[Metric]:
        figures = self.jobs.figures()
        depth = {stage: each.queued for stage, each in figures.stages.items()}
        yield gauge("aegis_broker_up", "1 when the broker answers", 1)
        yield gauges("aegis_queue_depth", "Jobs that wait at a stage", "stage", depth)
        waited = "Seconds the oldest job at a stage has waited"
        yield gauges("aegis_queue_oldest_seconds", waited, "stage", figures.waited)
        yield gauges("aegis_jobs", "Job records by state", "state", self.jobs.counts())
        yield gauges("aegis_open_jobs", "Jobs queued or running", "kind", figures.open)
        yield gauges("aegis_open_jobs_limit", "Jobs that may be so, else 429", "kind", self.most_open)
        yield gauges("aegis_dead_letters", "Jobs that were given up, by reason", "reason", figures.dead)
        yield from _lane_families(figures.stages)

    def without_broker(self) -> Iterable[Metric]:
        return [gauge("aegis_broker_up", "1 when the broker answers", 0)]


def _lane_families(stages: Mapping[Stage, StageFigures]) -> Iterable[Metric]:
    """Every lane is there, also with 0: what scales on a figure takes an absent one for a failure."""
    lanes = {lane: [stages[stage] for stage in its] for lane, its in LANE_STAGES.items()}
    waiting = {lane: sum(each.waiting for each in its) for lane, its in lanes.items()}
    running = {lane: sum(each.running for each in its) for lane, its in lanes.items()}
    still_open = {lane: waiting[lane] + running[lane] for lane in lanes}
    waited = {lane: max(each.waited for each in its) for lane, its in lanes.items()}
    yield gauges("aegis_lane_waiting_jobs", _LANE_WAITING, "lane", waiting)
    yield gauges("aegis_lane_running_jobs", "Jobs that a worker holds under a lease", "lane", running)
    yield gauges("aegis_lane_open_jobs", "Jobs that wait or run, the figure to scale on", "lane", still_open)
    yield gauges("aegis_lane_oldest_wait_seconds", _LANE_WAITED, "lane", waited)
