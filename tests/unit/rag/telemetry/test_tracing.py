"""One trace a job: what its record carries, what a stage and a far call add, what is not traced."""

import contextvars
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rag.errors import Unavailable
from rag.model import Job, JobKind, JobState, NewJob, Stage, Standing
from rag.system.log_context import log_fields
from rag.telemetry import tracing
from rag.telemetry.exporter import SpanSender
from rag.telemetry.round_trips import round_trip
from tasks.stages.batch import Batch, BatchItem
from tasks.stages.run import Done, Next, Shared, Steps
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
    steps = traced(work)(SimpleNamespace(job=job, taken_at=0.0))  # type: ignore[arg-type]  # of a run, the work sees no more
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
        "aegis.redis.calls": 0,
        "aegis.redis.seconds": 0.0,
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


def test_the_wait_for_a_worker_is_a_span_of_its_own(spans: InMemorySpanExporter) -> None:
    job = replace(JOB, trace=submitted(), queued_at=100.0, standing=Standing(ready_at=130.0))

    tracing.record_wait(job, "rerank", 142.5)

    wait, submit = sent(spans)["wait search"], sent(spans)["submit query"]
    assert wait.parent is not None
    assert wait.parent.span_id == submit.context.span_id
    assert (wait.start_time, wait.end_time) == (130 * 10**9, int(142.5 * 10**9))
    assert (wait.attributes or {})["aegis.attempt"] == 2


@pytest.mark.parametrize(("ready_at", "began"), [(None, 100.0), (250.0, 142.5)])
def test_a_wait_never_ends_before_it_begins(
    spans: InMemorySpanExporter, ready_at: float | None, began: float
) -> None:
    """The clocks of Redis and of a worker may differ, and records of earlier versions know less."""
    tracing.record_wait(replace(JOB, queued_at=100.0, standing=Standing(ready_at=ready_at)), "rerank", 142.5)

    assert sent(spans)["wait search"].start_time == int(began * 10**9)


@contextmanager
def working(*names: str) -> Iterator[list[contextvars.Context]]:
    """The contexts of jobs of these names that are in the middle of their stage."""
    entered = []
    for name in names:
        context = contextvars.copy_context()
        attempt = tracing.attempted(replace(JOB, id=name, stage=Stage.EMBED), "embed")
        context.run(attempt.__enter__)
        entered.append((context, attempt))
    yield [context for context, _ in entered]
    for context, attempt in entered:
        context.run(attempt.__exit__, None, None, None)


def test_a_shared_call_is_linked_with_every_job_in_it(spans: InMemorySpanExporter) -> None:
    with working("j1", "j2", "j3") as contexts:
        running = tracing.spans_in(contexts)
        stages = [span.get_span_context() for span in running]

        def call() -> None:
            with tracing.shared_call("embed_passages", running, 12):
                tracing.watched(Far(), "jina").search("what?")

        contexts[tracing.first_traced(running)].run(call)

    made = spans.get_finished_spans()
    (shared,) = [span for span in made if span.name == "call embed_passages"]
    assert shared.parent is not None
    assert shared.parent.span_id == stages[0].span_id
    assert dict(shared.attributes or {}) == {"aegis.items": 12, "aegis.jobs": 3}
    assert [link.context.span_id for link in shared.links] == [stage.span_id for stage in stages[1:]]
    for stage in stages[1:]:
        (there,) = [
            s for s in made if s.name == "shared embed_passages" and s.parent.span_id == stage.span_id
        ]  # type: ignore[union-attr]
        assert there.context.trace_id == stage.trace_id
        assert [link.context.span_id for link in there.links] == [shared.context.span_id]
        assert there.start_time is not None
        assert there.end_time is not None
        assert there.end_time - there.start_time > 0
    (far,) = [span for span in made if span.name == "jina search"]
    assert far.parent is not None
    assert far.parent.span_id == shared.context.span_id


def test_a_shared_call_is_made_in_the_context_of_a_job_that_is_traced(spans: InMemorySpanExporter) -> None:
    untraced = contextvars.Context()

    with working("j2") as (job,):
        assert tracing.first_traced(tracing.spans_in([untraced, job])) == 1
        assert tracing.first_traced(tracing.spans_in([untraced])) == 0


def test_round_trips_to_redis_are_summed_up_on_the_stage(spans: InMemorySpanExporter) -> None:
    with tracing.attempted(JOB, "rerank"):
        for _ in range(3):
            with round_trip():
                pass
    with round_trip():
        pass

    attributes = sent(spans)["stage search"].attributes or {}
    assert attributes["aegis.redis.calls"] == 3
    seconds = attributes["aegis.redis.seconds"]
    assert isinstance(seconds, float)
    assert 0 <= seconds < 1


def test_the_process_that_reads_a_file_is_a_span_with_its_times(spans: InMemorySpanExporter) -> None:
    with tracing.attempted(JOB, "parse"):
        tracing.record_parse(100.0, 101.5, 0.25, 64 << 20)

    child, stage = sent(spans)["parse child"], sent(spans)["stage search"]
    assert child.parent is not None
    assert child.parent.span_id == stage.context.span_id
    assert (child.start_time, child.end_time) == (100 * 10**9, int(101.5 * 10**9))
    assert dict(child.attributes or {}) == {"aegis.cpu_seconds": 0.25, "aegis.peak_bytes": 64 << 20}


def test_other_servers_are_told_the_trace(spans: InMemorySpanExporter) -> None:
    request = SimpleNamespace(headers={"accept": "*/*"})

    with tracing.attempted(JOB, "rerank") as span:
        tracing.add_traceparent(request)
        told = tracing.trace_headers()

    context = span.get_span_context()
    assert told == {
        "traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    }
    assert request.headers == {"accept": "*/*", **told}
    assert tracing.trace_headers() == {}


def test_jobs_of_a_batch_that_share_a_call_are_linked(spans: InMemorySpanExporter) -> None:
    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def work(_run: object) -> Steps:
        yield Shared(lengths, ["a", "bb"])
        return Next(Stage.INDEX)

    runs = [SimpleNamespace(job=replace(JOB, id=f"j{n}"), taken_at=0.0) for n in range(2)]
    items = [BatchItem(run, traced(work)(run)) for run in runs]  # type: ignore[arg-type]  # a run's part

    Batch(items).work()

    made = spans.get_finished_spans()
    stages = {str((span.attributes or {})["aegis.job"]): span for span in made if span.name == "stage search"}
    (call,) = [span for span in made if span.name == "call lengths"]
    (shared,) = [span for span in made if span.name == "shared lengths"]
    assert [link.context for link in call.links] == [stages["j1"].context]
    assert [link.context for link in shared.links] == [call.context]
    assert shared.context.trace_id == stages["j1"].context.trace_id
    assert (call.attributes or {})["aegis.items"] == 4
