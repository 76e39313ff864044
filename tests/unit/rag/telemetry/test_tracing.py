"""One trace a job: what its record carries, what a stage and a far call add, what is not traced."""

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rag.errors import Unavailable
from rag.model import Job, JobKind, JobState, NewJob, Stage
from rag.system.log_context import log_fields
from rag.telemetry import tracing
from rag.telemetry.exporter import SpanSender
from tasks.stages.run import Done, Next
from tasks.stages.stage import traced

NEW = NewJob("j1", JobKind.QUERY, Stage.EMBED_QUERY, "docs", {})
JOB = Job("j1", JobKind.QUERY, JobState.RUNNING, Stage.SEARCH, "docs", {}, 0.0, 0.0, attempts=2)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What a process that sends spans would send."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield kept
    provider.shutdown()


def sent(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def submitted() -> str:
    with tracing.submitted(NEW) as carried:
        assert carried is not None
        return carried


def worked(work: Any, job: Job = JOB) -> None:
    """Let ``work`` run as a worker does, step by step to its end."""
    steps = traced(work)(SimpleNamespace(job=job))  # type: ignore[arg-type]  # of a run, the work sees no more
    list(steps)


def test_a_stage_is_a_span_under_the_submit_of_its_job(spans: InMemorySpanExporter) -> None:
    job = replace(JOB, trace=submitted())

    worked(lambda _run: Next(Stage.RERANK), job)

    submit, stage = sent(spans)["submit query"], sent(spans)["stage search"]
    assert stage.parent is not None
    assert stage.parent.span_id == submit.context.span_id
    assert stage.context.trace_id == submit.context.trace_id
    assert dict(stage.attributes or {}) == {
        "aegis.job": "j1",
        "aegis.kind": "query",
        "aegis.collection": "docs",
        "aegis.lane": "rerank",
        "aegis.stage": "search",
        "aegis.attempt": 2,
        "aegis.outcome": "next: rerank",
    }


def failing(_run: object) -> Done:
    raise Unavailable("the vector engine is away")


@pytest.mark.parametrize(
    ("work", "outcome"), [(lambda _run: Done(lambda *_: {}), "done"), (failing, "unavailable")]
)
def test_the_span_of_a_stage_tells_its_outcome(spans: InMemorySpanExporter, work: Any, outcome: str) -> None:
    try:
        worked(work)
    except Unavailable:
        assert outcome == "unavailable"

    assert (sent(spans)["stage search"].attributes or {})["aegis.outcome"] == outcome


class Far:
    name = "far-model"

    def search(self, question: str) -> str:
        return question.upper()


def test_a_call_to_another_server_is_a_span_below_the_stage(spans: InMemorySpanExporter) -> None:
    far = tracing.watched(Far(), "qdrant")

    with tracing.attempted(JOB, "rerank"):
        assert far.search("what?") == "WHAT?"

    stage, call = sent(spans)["stage search"], sent(spans)["qdrant search"]
    assert call.parent is not None
    assert call.parent.span_id == stage.context.span_id
    assert far.name == "far-model"


def test_a_call_outside_of_a_job_is_no_span(spans: InMemorySpanExporter) -> None:
    assert tracing.watched(Far(), "qdrant").search("what?") == "WHAT?"

    assert sent(spans) == {}


def test_a_watched_call_equals_itself_so_that_jobs_can_share_it() -> None:
    far = tracing.watched(Far(), "qdrant")

    first, again = far.search, far.search

    assert first == again


def test_a_part_of_this_process_stays_as_it_is() -> None:
    part = Far()

    assert tracing.watched(part, "bundled") is part


def test_without_a_collector_a_job_carries_no_trace() -> None:
    with tracing.submitted(NEW) as carried:
        assert carried is None
    assert tracing.trace_id_of(None) is None


def test_log_lines_about_a_job_name_its_trace(spans: InMemorySpanExporter) -> None:
    carried = submitted()

    with tracing.under(replace(JOB, trace=carried)):
        assert tracing.current_trace_id() == tracing.trace_id_of(carried)
        assert dict(log_fields()) == {"job": "j1", "stage": "search"}

    assert tracing.current_trace_id() is None
    assert dict(log_fields()) == {}


class Moody:
    """A collector that answers as it is told."""

    def __init__(self, *answers: SpanExportResult) -> None:
        self._answers = iter(answers)

    def export(self, _spans: object) -> SpanExportResult:
        return next(self._answers)

    def shutdown(self) -> None:
        """Nothing."""


def test_a_collector_that_is_away_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    sender = SpanSender(Moody(bad, bad, bad, good, good), "http://jaeger:4318")  # type: ignore[arg-type]

    for _ in range(5):
        sender.export([None, None])  # type: ignore[list-item]  # they are only counted

    assert [record.getMessage() for record in caplog.records] == [
        "JAEGER_ENDPOINT: http://jaeger:4318 takes no spans, so they are lost; jobs go on",
        "spans are sent again; 6 were lost",
    ]
