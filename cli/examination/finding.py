"""One line of what ``aegis doctor`` found."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, TypeVar

from rag.errors import AegisError

T = TypeVar("T")
State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``state`` "bad" makes the exit status 1; "note" is worth knowing. ``remedy``: what to do about it.

    ``ms``: how long the call took that showed it, in milliseconds; None where none was made.
    """

    part: str
    state: State
    text: str
    remedy: str = ""
    ms: float | None = None


def found(part: str, finding: Callable[[], Finding], remedy: str = "") -> Finding:
    """The finding, or the error that came in its place, with ``remedy``."""
    try:
        return finding()
    except AegisError as error:
        return Finding(part, "bad", str(error) or error.title, remedy)


def timed(act: Callable[[], T]) -> tuple[T, float]:
    """What ``act`` returns, and the milliseconds that it took."""
    began = perf_counter()
    result = act()
    return result, milliseconds(began)


def milliseconds(began: float) -> float:
    """Since ``began`` by ``perf_counter``, to a tenth."""
    return round((perf_counter() - began) * 1000, 1)
