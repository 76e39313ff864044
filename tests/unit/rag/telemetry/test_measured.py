"""Calls of wrapped parts, counted and timed."""

from collections.abc import Iterator

import numpy as np
import pytest

from rag.errors import ModelError, NotFound, Overloaded, Refused, TimedOut, Unavailable
from rag.model import Embedding
from rag.telemetry import current_call
from rag.telemetry.call_metrics import MOST_MODELS, CallMetrics
from rag.telemetry.measured import measured, measured_model


class Store:
    """``error``: what its calls raise."""

    name = "store"

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def get(self) -> str:
        if self.error:
            raise self.error
        return "got"

    def keys(self) -> Iterator[str]:
        yield "a"
        if self.error:
            raise self.error


class Model:
    name = "m"

    def embed_passages(self, texts: list[str]) -> list[Embedding]:
        current_call.note_queue(0.5)
        with current_call.attempt("embeddings"):
            pass
        current_call.note_tokens_read(7)
        return [Embedding(np.zeros(2, np.float32), np.zeros((3, 2), np.float16)) for _ in texts]

    def answer(self, request: object) -> str:
        current_call.note_generation(40, 2.0)
        return "said"


@pytest.fixture
def metrics() -> CallMetrics:
    return CallMetrics(exemplars=False)


def value(metrics: CallMetrics, sample: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(sample, labels)


def test_each_call_of_a_store_is_counted_and_answers_as_before(metrics: CallMetrics) -> None:
    store = measured(Store(), "blobs", metrics)

    assert (store.name, store.get(), list(store.keys())) == ("store", "got", ["a"])

    for operation in ("get", "keys"):
        labels = {"dependency": "blobs", "operation": operation}
        assert value(metrics, "aegis_dependency_seconds_count", **labels) == 1
    assert store.get is store.get, "jobs share calls that are equal"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimedOut(), "timeout"),
        (Overloaded(), "limited"),
        (Refused(), "refused"),
        (Unavailable(), "server"),
        (ModelError(), "invalid"),
        (KeyError("k"), "other"),
        (NotFound(), None),
        (KeyboardInterrupt(), None),
    ],
)
def test_a_failed_call_is_counted_by_kind_and_raises_what_it_raised(
    metrics: CallMetrics, error: BaseException, kind: str | None
) -> None:
    store = measured(Store(error), "redis", metrics)

    with pytest.raises(type(error)):
        store.get()
    with pytest.raises(type(error)):
        list(store.keys())

    counted = {
        sample.labels["kind"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "aegis_dependency_errors_total"
    }
    assert counted == ({kind: 2} if kind else {})


def test_a_model_on_a_server_tells_its_waits_attempts_and_tokens(metrics: CallMetrics) -> None:
    model = measured_model(Model(), "jina", "m", metrics)

    model.embed_passages(["a", "b", "c"])

    labels = {"role": "embed", "model": "m"}
    assert value(metrics, "aegis_model_call_seconds_count", **labels) == 1
    assert value(metrics, "aegis_model_batch_size_sum", **labels) == 3
    assert value(metrics, "aegis_model_queue_seconds_sum", **labels) == 0.5
    assert value(metrics, "aegis_model_tokens_read_total", **labels) == 7
    attempt = {"dependency": "jina", "operation": "embeddings"}
    assert value(metrics, "aegis_dependency_seconds_count", **attempt) == 1


def test_the_tokens_of_a_model_in_this_process_are_those_that_have_vectors(metrics: CallMetrics) -> None:
    class Bundled(Model):
        def embed_passages(self, texts: list[str]) -> list[Embedding]:
            return [Embedding(np.zeros(2, np.float32), np.zeros((3, 2), np.float16)) for _ in texts]

    measured_model(Bundled(), None, "b", metrics).embed_passages(["a", "b"])

    assert value(metrics, "aegis_model_tokens_read_total", role="embed", model="b") == 6


def test_the_rate_of_a_generation_is_in_tokens_a_second(metrics: CallMetrics) -> None:
    measured_model(Model(), "ollama", "m", metrics).answer("?")

    assert value(metrics, "aegis_model_tokens_per_second_sum", model="m") == 20


def test_models_beyond_the_bound_share_one_label(metrics: CallMetrics) -> None:
    for number in range(3 * MOST_MODELS):
        measured_model(Model(), None, f"m{number}", metrics).embed_passages(["a"])

    models = {s.labels["model"] for f in metrics.registry.collect() for s in f.samples}
    assert len(models) == MOST_MODELS + 1
    assert value(metrics, "aegis_model_call_seconds_count", role="embed", model="other") == 2 * MOST_MODELS


def test_outside_of_a_measured_call_nothing_is_told() -> None:
    current_call.note_queue(1)
    current_call.note_tokens_read(1)
    current_call.note_generation(1, 1)
    with pytest.raises(KeyError), current_call.attempt("x"):
        raise KeyError
