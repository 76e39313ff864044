"""Exemplars: which trace a measured time belongs to, by https://prometheus.io/docs/specs/om/open_metrics_spec."""

from opentelemetry import trace

Exemplar = dict[str, str]
"""The labels of an exemplar."""


def trace_exemplar() -> Exemplar | None:
    """The id of the trace that runs here; None where no trace is recorded."""
    span = trace.get_current_span()
    return {"trace_id": f"{span.get_span_context().trace_id:032x}"} if span.is_recording() else None
