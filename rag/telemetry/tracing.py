"""Makes spans of the stages of jobs, by OpenTelemetry's API.

A span costs a microsecond and goes nowhere until :func:`start` has loaded an exporter. Each job has one
trace: its record carries the W3C trace context (https://www.w3.org/TR/trace-context) of its submit. The
waits for its stages and the attempts at them are spans under it, wherever they run, and calls to other
servers are spans below an attempt. ``docs/reference/traces.md`` lists all spans.
"""

import contextvars
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from inspect import ismethod
from time import time_ns
from typing import Any, Protocol, TypeVar, cast

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from rag.model import Job, NewJob
from rag.settings import Settings
from rag.system.log_context import add_log_fields
from rag.telemetry.round_trips import count_round_trips

T = TypeVar("T")

_HERE = frozenset({"bundled", "extractive", "file", "memory"})
_FIELD = "traceparent"
_CONTEXT = TraceContextTextMapPropagator()


def start(settings: Settings, service: str) -> Callable[[], None]:
    """Have this process send spans as ``service``, if the settings name a collector. To be called once.

    The function that is returned sends the spans that are left, within two seconds. Threads do not outlive
    a fork, so a process that works calls this after it was forked.
    """
    if settings.traces_url is None:
        return lambda: None
    from rag.telemetry.exporter import start_sending  # noqa: PLC0415 - takes 16 MB and a quarter of a second

    return start_sending(settings, settings.traces_url, service)


class HasHeaders(Protocol):
    """A request whose headers can be changed."""

    @property
    def headers(self) -> MutableMapping[str, str]: ...


@contextmanager
def submitted(job: NewJob) -> Iterator[str | None]:
    """Make a span of the submit of ``job``, and yield the trace context for its record."""
    with (
        _log_about(job),
        _tracer().start_as_current_span(
            f"submit {job.kind}", kind=SpanKind.PRODUCER, attributes=_of_job(job)
        ),
    ):
        yield current_carrier()


@contextmanager
def attempted(job: Job, lane: str) -> Iterator[Span]:
    """Make a span of an attempt at the job's present stage, under the span of its submit."""
    parent = _context_of(job)
    attributes = _of_attempt(job, lane)
    with (
        _log_about(job),
        _tracer().start_as_current_span(
            f"stage {job.stage}", parent, kind=SpanKind.CONSUMER, attributes=attributes
        ) as span,
        _summarize_round_trips(span),
    ):
        yield span


def record_wait(job: Job, lane: str, taken_at: float) -> None:
    """Make a span of the time from when the job was due at its stage until a worker took it.

    ``taken_at``: Unix seconds by this machine's clock; when the job was due, Redis' clock said.
    """
    due_at = min(taken_at, max(job.queued_at, job.standing.ready_at or 0.0))
    span = _tracer().start_span(
        f"wait {job.stage}", _context_of(job), attributes=_of_attempt(job, lane), start_time=_ns(due_at)
    )
    span.end(_ns(taken_at))


@contextmanager
def step(name: str) -> Iterator[None]:
    """Make a span of a step within the span that runs here."""
    with _tracer().start_as_current_span(name):
        yield


def record_parse(began: float, ended: float, cpu_seconds: float, peak_bytes: int) -> None:
    """Make a span of a process that has read a file. Times in Unix seconds, memory in bytes."""
    if trace.get_current_span().is_recording():
        about = {"aegis.cpu_seconds": round(cpu_seconds, 6), "aegis.peak_bytes": peak_bytes}
        _tracer().start_span("parse child", attributes=about, start_time=_ns(began)).end(_ns(ended))


def spans_in(contexts: Sequence[contextvars.Context]) -> list[Span]:
    """The span that runs in each of the contexts, none of which may be entered at the moment."""
    return [each.run(trace.get_current_span) for each in contexts]


def first_traced(spans: Sequence[Span]) -> int:
    """The index of the job in whose context a shared call is made: of the first that is traced, else 0."""
    return next((index for index, span in enumerate(spans) if span.is_recording()), 0)


@contextmanager
def shared_call(name: str, spans: Sequence[Span], items: int) -> Iterator[None]:
    """Make a span of a call that jobs make together, and in the trace of each other job one that leads there.

    ``spans``: those of all the jobs; the call is made in the context of :func:`first_traced`. Its span has a
    link to the span of each other job; the spans in their traces have one to the call's.
    """
    own = trace.get_current_span()
    if not own.is_recording():
        yield
        return
    others = [span for span in spans if span is not own]
    about, began = {"aegis.items": items, "aegis.jobs": len(spans)}, time_ns()
    links = [Link(span.get_span_context()) for span in others if span.get_span_context().is_valid]
    with _tracer().start_as_current_span(f"call {name}", links=links, attributes=about) as call:
        try:
            yield
        finally:
            led = [Link(call.get_span_context())]
            for span in others:
                parent = trace.set_span_in_context(span)
                _tracer().start_span(f"shared {name}", parent, links=led, start_time=began).end()


def trace_headers() -> dict[str, str]:
    """Headers that give the trace of what runs here to another server: ``traceparent``, or none."""
    carried = current_carrier()
    return {_FIELD: carried} if carried else {}


def add_traceparent(request: HasHeaders) -> None:
    """Add ``traceparent`` to a request: an event hook of httpx."""
    request.headers.update(trace_headers())


async def add_traceparent_async(request: HasHeaders) -> None:
    """As :func:`add_traceparent`, for httpx's clients of asyncio."""
    add_traceparent(request)


@contextmanager
def under(job: Job) -> Iterator[None]:
    """Have log lines of the block name the job and its trace, without a span of its own."""
    token = context.attach(_context_of(job) or context.get_current())
    try:
        with _log_about(job):
            yield
    finally:
        context.detach(token)


def watched(part: T, system: str) -> T:
    """``part`` with a span for each call within a traced job, if it calls another server.

    ``system``: the implementation, such as "qdrant". Some, such as "bundled", run in this process.
    """
    return part if system in _HERE else cast(T, _Watched(part, system))


class _Watched:
    """Wraps the methods of ``part``; its other attributes stay as they are."""

    def __init__(self, part: object, system: str) -> None:
        self._part = part
        self._system = system

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not ismethod(found):
            return found

        @wraps(found)
        def call(*args: Any, **named: Any) -> Any:
            if not trace.get_current_span().is_recording():
                return found(*args, **named)
            about = {"peer.service": self._system}
            with _tracer().start_as_current_span(
                f"{self._system} {name}", kind=SpanKind.CLIENT, attributes=about
            ):
                return found(*args, **named)

        self.__dict__[name] = call  # the same object each time: jobs share calls that are equal
        return call


def current_carrier() -> str | None:
    """The trace context of what runs here, as a W3C ``traceparent``; None outside of any trace."""
    carrier: dict[str, str] = {}
    _CONTEXT.inject(carrier)
    return carrier.get(_FIELD)


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace's id, 32 hex digits."""
    return traceparent.split("-")[1] if traceparent else None


def current_trace_id() -> str | None:
    """The id of the trace of what runs here, for log lines; None outside of any trace."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x}" if span.is_valid else None


def _log_about(job: Job | NewJob) -> AbstractContextManager[None]:
    """Have log lines of the block name the job, its document and its stage."""
    return add_log_fields(job=job.id, document=job.inputs.get("document_id"), stage=job.stage)


def _context_of(job: Job) -> Context | None:
    return _CONTEXT.extract({_FIELD: job.trace}) if job.trace else None


def _tracer() -> trace.Tracer:
    return trace.get_tracer("aegis")


def _of_attempt(job: Job, lane: str) -> dict[str, str | int]:
    return _of_job(job) | {"aegis.lane": lane, "aegis.stage": job.stage, "aegis.attempt": job.attempts}


@contextmanager
def _summarize_round_trips(span: Span) -> Iterator[None]:
    """Give ``span`` the count and the seconds of the round trips to Redis in the block."""
    if not span.is_recording():
        yield
        return
    with count_round_trips() as trips:
        try:
            yield
        finally:
            span.set_attribute("aegis.redis.calls", trips.calls)
            span.set_attribute("aegis.redis.seconds", round(trips.seconds, 6))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _of_job(job: Job | NewJob) -> dict[str, str | int]:
    return {"aegis.job": job.id, "aegis.kind": job.kind, "aegis.collection": job.collection}
