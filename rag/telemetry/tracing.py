"""Makes spans of the stages of jobs, by OpenTelemetry's API.

A span costs a microsecond and goes nowhere until :func:`start` has loaded an exporter. Each job has one
trace: its record carries the W3C trace context (https://www.w3.org/TR/trace-context) of its submit, and
every attempt at a stage is a span under it, wherever it runs. Calls to other servers are spans below the
attempt.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from inspect import ismethod
from typing import Any, TypeVar, cast

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from rag.model import Job, NewJob
from rag.settings import Settings
from rag.system.log_context import add_log_fields

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
    attributes = _of_job(job) | {"aegis.lane": lane, "aegis.stage": job.stage, "aegis.attempt": job.attempts}
    with (
        _log_about(job),
        _tracer().start_as_current_span(
            f"stage {job.stage}", parent, kind=SpanKind.CONSUMER, attributes=attributes
        ) as span,
    ):
        yield span


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


def _of_job(job: Job | NewJob) -> dict[str, str | int]:
    return {"aegis.job": job.id, "aegis.kind": job.kind, "aegis.collection": job.collection}
