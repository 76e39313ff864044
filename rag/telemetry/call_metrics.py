"""Figures of this process' calls to models and to other servers, in Prometheus' form.

Names and units follow https://prometheus.io/docs/practices/naming. Import it late: prometheus-client reads
PROMETHEUS_MULTIPROC_DIR when it makes a figure, and takes 14 MB where nobody else has loaded it.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram

from rag.errors import ModelError, Overloaded, Permanent, Refused, TimedOut, Transient
from rag.telemetry.exemplars import trace_exemplar

Role = Literal["embed", "rerank", "generate"]

MOST_MODELS = 20
"""Models that have label values of their own; calls of further ones are counted as ``other``."""

_CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_MODEL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_QUEUE_SECONDS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_TOKEN_RATES = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500)

_KINDS: Mapping[type[BaseException], str | None] = {
    TimedOut: "timeout",
    Overloaded: "limited",
    Refused: "refused",
    Transient: "server",
    ModelError: "invalid",
    Permanent: None,  # the server answers: there is no such thing, or it is not wanted so
    Exception: "other",
    BaseException: None,  # we broke off ourselves
}
_SILENT = ("timeout", "server")
ERROR_KINDS = frozenset(kind for kind in _KINDS.values() if kind)


def error_kind(error: BaseException) -> str | None:
    """The kind of a failure of a dependency; None where it did its part."""
    return next(kind for ours, kind in _KINDS.items() if isinstance(error, ours))


class CallMetrics:
    """Counters and histograms of this process. ``registry`` has them; :meth:`renew` makes new ones."""

    def __init__(self, *, exemplars: bool, note_server: Callable[[str, bool], None] | None = None) -> None:
        """``exemplars``: whether times carry the ids of traces. Files that processes share have no room.

        ``note_server`` is told after each attempt at a model's server whether that answered.
        """
        self._exemplars = exemplars
        self._note_server = note_server
        self._models: set[str] = set()
        self.renew()

    def renew(self) -> None:
        """Make all figures anew: to be called in a forked child.

        A lock that another thread of the parent held at the fork would stay locked for ever.
        """
        self.registry = CollectorRegistry()
        role, model = ("role", "model"), ("model",)
        called, which = ("dependency", "operation"), ("dependency", "kind")
        self._calls = self._histogram(
            "aegis_model_call_seconds",
            "Seconds of a call to a model that gave an answer",
            role,
            _MODEL_SECONDS,
        )
        self._sizes = self._histogram(
            "aegis_model_batch_size",
            "Texts that a call embeds, passages that it rates, or 1 for an answer",
            role,
            _BATCH_SIZES,
        )
        self._queued = self._histogram(
            "aegis_model_queue_seconds",
            "Seconds that a request to a model server waited for a slot and for the rate limit",
            role,
            _QUEUE_SECONDS,
        )
        self._rates = self._histogram(
            "aegis_model_tokens_per_second",
            "Tokens a second in which an answer was written",
            model,
            _TOKEN_RATES,
        )
        self._read = self._counter("aegis_model_tokens_read", "Tokens that models have read", role)
        self._seconds = self._histogram(
            "aegis_dependency_seconds", "Seconds of a call to another server or store", called, _CALL_SECONDS
        )
        self._errors = self._counter(
            "aegis_dependency_errors", "Failed calls to another server or store, by kind", which
        )

    def observe_dependency(
        self, dependency: str, operation: str, seconds: float, error: BaseException | None
    ) -> None:
        """One call, or one attempt at it. ``error``: what it raised."""
        self._observe(self._seconds.labels(dependency, operation), seconds)
        if error is not None and (kind := error_kind(error)):
            self._errors.labels(dependency, kind).inc()

    def observe_attempt(
        self, server: str, operation: str, seconds: float, error: BaseException | None
    ) -> None:
        """An attempt at the server of a model. One that the server limits or refuses was answered."""
        self.observe_dependency(server, operation, seconds, error)
        if self._note_server and (error is None or isinstance(error, Exception)):
            self._note_server(server, error is None or error_kind(error) not in _SILENT)

    def observe_model(self, role: Role, model: str, seconds: float, size: int) -> None:
        """A whole call to a model, of ``size`` texts."""
        model = self._label_of(model)
        self._observe(self._calls.labels(role, model), seconds)
        self._sizes.labels(role, model).observe(size)

    def observe_queue(self, role: Role, model: str, seconds: float) -> None:
        self._observe(self._queued.labels(role, self._label_of(model)), seconds)

    def count_tokens_read(self, role: Role, model: str, tokens: int) -> None:
        self._read.labels(role, self._label_of(model)).inc(tokens)

    def observe_generation(self, model: str, tokens: int, seconds: float) -> None:
        """A model wrote ``tokens`` within ``seconds``. Does nothing where there is no rate."""
        if tokens > 0 and seconds > 0:
            self._rates.labels(self._label_of(model)).observe(tokens / seconds)

    def _observe(self, histogram: Histogram, seconds: float) -> None:
        histogram.observe(seconds, trace_exemplar() if self._exemplars else None)

    def _label_of(self, model: str) -> str:
        if model not in self._models and len(self._models) < MOST_MODELS:
            self._models.add(model)
        return model if model in self._models else "other"

    def _histogram(
        self, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)
