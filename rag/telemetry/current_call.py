"""The measured call that runs here: an adapter tells it what only the adapter knows.

:mod:`rag.telemetry.measured` times calls of whole parts. Inside such a call, an adapter tells how long it
waited for its turn, what each attempt at the server cost, and how many tokens were read or written. It does
not know whether anybody measures: outside of a measured call, every function here does nothing.

The call is found by a context variable, which threads of ``asyncio.to_thread`` and tasks of an event loop
inherit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Protocol


class MeasuredCall(Protocol):
    """What a measured call takes note of. Times are in seconds."""

    def note_queue(self, seconds: float) -> None:
        """The call waited so long for a free slot, or for the rate limit."""
        ...

    def note_attempt(self, operation: str, seconds: float, error: BaseException | None) -> None:
        """One attempt at the server. ``operation``: one of a fixed set of names."""
        ...

    def note_tokens_read(self, tokens: int) -> None: ...

    def note_generation(self, tokens: int, seconds: float) -> None:
        """The model wrote ``tokens`` in so many seconds."""
        ...


_CURRENT: ContextVar[MeasuredCall | None] = ContextVar("measured_call", default=None)


@contextmanager
def running(call: MeasuredCall) -> Iterator[None]:
    """Have the functions below tell ``call`` within the block."""
    token = _CURRENT.set(call)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def attempt(operation: str) -> Iterator[None]:
    """Measure the block as one attempt at the server."""
    call = _CURRENT.get()
    if call is None:
        yield
        return
    began, failure = perf_counter(), None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        call.note_attempt(operation, perf_counter() - began, failure)


def note_queue(seconds: float) -> None:
    """The call waited so long for a free slot, or for the rate limit."""
    if (call := _CURRENT.get()) is not None:
        call.note_queue(seconds)


def note_tokens_read(tokens: int) -> None:
    """The model read so many tokens, as its server counts them."""
    if (call := _CURRENT.get()) is not None:
        call.note_tokens_read(tokens)


def note_generation(tokens: int, seconds: float) -> None:
    """The model wrote ``tokens`` in so many seconds."""
    if (call := _CURRENT.get()) is not None:
        call.note_generation(tokens, seconds)
