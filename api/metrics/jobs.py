"""How jobs went: waits, runs, retries, ends, answers and what was ingested, counted with the records."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

from api.metrics.families import StoreCollector, counter, counters
from rag.model import Histogram, JobKind, JobState, JobStatistics
from rag.ports import JobStore
from tasks.submit.submissions import LANE_STAGES

_WAIT = "Seconds from the moment at which a job was due at a stage to the begin of its attempt"
_RUN = "Seconds from the begin of an attempt to its end; attempts whose worker was lost have none"
_ATTEMPTS = "Attempts that were begun"
_RETRIES = "Attempts after which another is made, by the code of their error"
_RECOVERIES = "Attempts that were lost with their worker, so that the job was taken again"
_JOB = "Seconds from a job's submit to its success"
_ENDED = "Ends of jobs; one that was run again ends more than once"
_ANSWERS = "Questions by how they ended; those that ask for passages alone are answered by any passage"
_BEGUN = "Seconds from a question's submit to the first piece of an answer that was generated"

_STAGES = ("lane", "stage")


@dataclass(eq=False)
class JobCollector(StoreCollector):
    """The statistics of all jobs since Redis was empty."""

    jobs: JobStore
    subject = "statistics of jobs"

    def families(self) -> Iterator[Metric]:
        statistics = self.jobs.statistics()
        yield from _stage_families(statistics)
        ended = {(str(kind), str(state)): count for (kind, state), count in statistics.ended.items()}
        yield counters("aegis_jobs_ended", _ENDED, ("kind", "state"), ended)
        durations = HistogramMetricFamily("aegis_job_seconds", _JOB, labels=["kind"])
        for kind, seconds in statistics.seconds.items():
            _add(durations, (str(kind),), seconds)
        yield durations
        yield from _outcome_families(statistics)


def _stage_families(statistics: JobStatistics) -> list[Metric]:
    waits = HistogramMetricFamily("aegis_stage_wait_seconds", _WAIT, labels=_STAGES)
    runs = HistogramMetricFamily("aegis_stage_run_seconds", _RUN, labels=_STAGES)
    attempts = CounterMetricFamily("aegis_stage_attempts", _ATTEMPTS, labels=_STAGES)
    retries = CounterMetricFamily("aegis_stage_retries", _RETRIES, labels=(*_STAGES, "reason"))
    recoveries = CounterMetricFamily("aegis_stage_recoveries", _RECOVERIES, labels=_STAGES)
    for lane, stage in ((lane, stage) for lane, stages in LANE_STAGES.items() for stage in stages):
        of, labels = statistics.stages[stage], (lane, str(stage))
        _add(waits, labels, of.waits)
        _add(runs, labels, of.runs)
        attempts.add_metric(labels, of.attempts)
        recoveries.add_metric(labels, of.recoveries)
        for reason, count in of.retries.items():
            retries.add_metric((*labels, reason), count)
    return [waits, runs, attempts, retries, recoveries]


def _outcome_families(statistics: JobStatistics) -> Iterator[Metric]:
    failed = sum(statistics.ended[JobKind.QUERY, state] for state in (JobState.FAILED, JobState.DEAD))
    answers = {(outcome,): count for outcome, count in {**statistics.answers, "failed": failed}.items()}
    yield counters("aegis_answers", _ANSWERS, ("outcome",), answers)
    begun = HistogramMetricFamily("aegis_time_to_first_token_seconds", _BEGUN)
    _add(begun, (), statistics.first_token)
    yield begun
    documents = "Versions of documents that were ingested; those that had not changed are not counted"
    yield counter("aegis_documents_ingested", documents, statistics.documents)
    yield counter("aegis_passages_ingested", "Passages of these documents", statistics.passages)


def _add(family: HistogramMetricFamily, labels: tuple[str, ...], durations: Histogram) -> None:
    buckets = [(floatToGoString(limit), float(count)) for limit, count in durations.cumulative()]  # type: ignore[no-untyped-call]
    family.add_metric(labels, buckets, durations.total)
