"""Wraps parts so that each of their calls is measured: the composition roots do it, and nothing else has to.

A part that is not wrapped costs nothing. A wrapped call costs some microseconds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from rag.telemetry.current_call import running

if TYPE_CHECKING:  # loads prometheus-client, which only a process with a page of figures needs
    from rag.telemetry.call_metrics import CallMetrics, Role

T = TypeVar("T")

_ROLES: dict[str, Role] = {
    "embed_passages": "embed",
    "embed_queries": "embed",
    "relevance": "rerank",
    "answer": "generate",
}


def measured(part: T, dependency: str, metrics: CallMetrics) -> T:
    """``part`` with the seconds and errors of each of its methods, under the name of ``dependency``."""

    def wrap(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def note(began: float, error: BaseException | None) -> None:
            metrics.observe_dependency(dependency, name, perf_counter() - began, error)

        return _timed_iteration(method, note) if _yields(method) else _timed(method, note)

    return cast(T, _Measured(part, wrap))


def measured_model(part: T, dependency: str | None, model: str, metrics: CallMetrics) -> T:
    """``part``, an embedder, reranker or generator, with the figures of each call to its model.

    ``dependency``: the kind of server that the model is behind; None for a model in this process.
    """

    def wrap(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **named: Any) -> Any:
            role = _ROLES.get(name)
            if role is None:
                return method(*args, **named)
            began = perf_counter()
            observer = _ModelCall(metrics, role, model, dependency)
            with running(observer):
                answer = method(*args, **named)
            metrics.observe_model(role, model, perf_counter() - began, _size(role, args[0]))
            if dependency is None and role == "embed":
                observer.note_tokens_read(_tokens_in(answer))
            return answer

        return call

    return cast(T, _Measured(part, wrap))


class _Measured:
    """Wraps the public methods of ``part`` by ``wrap``; its other attributes stay as they are."""

    def __init__(self, part: object, wrap: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
        self._part = part
        self._wrap = wrap

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if name.startswith("_") or not callable(found):
            return found
        call = self._wrap(name, found)
        self.__dict__[name] = call  # the same object each time: jobs share calls that are equal
        return call


@dataclass(frozen=True, slots=True)
class _ModelCall:
    """Takes note of what happens inside a call to a model."""

    metrics: CallMetrics
    role: Role
    model: str
    dependency: str | None

    def note_queue(self, seconds: float) -> None:
        self.metrics.observe_queue(self.role, self.model, seconds)

    def note_attempt(self, operation: str, seconds: float, error: BaseException | None) -> None:
        if self.dependency:
            self.metrics.observe_attempt(self.dependency, operation, seconds, error)

    def note_tokens_read(self, tokens: int) -> None:
        self.metrics.count_tokens_read(self.role, self.model, tokens)

    def note_generation(self, tokens: int, seconds: float) -> None:
        self.metrics.observe_generation(self.model, tokens, seconds)


Note = Callable[[float, BaseException | None], None]


def _timed(method: Callable[..., Any], note: Note) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **named: Any) -> Any:
        began = perf_counter()
        try:
            answer = method(*args, **named)
        except BaseException as error:
            note(began, error)
            raise
        note(began, None)
        return answer

    return call


def _timed_iteration(method: Callable[..., Any], note: Note) -> Callable[..., Any]:
    """As :func:`_timed`, for a method that yields its answer; what its caller does meanwhile counts too."""

    @wraps(method)
    def call(*args: Any, **named: Any) -> Iterator[Any]:
        began = perf_counter()
        try:
            yield from method(*args, **named)
        except BaseException as error:
            note(began, error)
            raise
        note(began, None)

    return call


def _yields(method: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(inspect.unwrap(method))


def _size(role: Role, asked: Any) -> int:
    if role == "generate":
        return 1
    return sum(len(each.candidates) for each in asked) if role == "rerank" else len(asked)


def _tokens_in(embeddings: Any) -> int:
    """The tokens of the texts, where the model gives a vector for each."""
    return sum(len(each.tokens) for each in embeddings if each.tokens is not None)
