"""A finding: one line of ``aegis doctor``.

The summary of ``aegis doctor``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, TypeVar

from rag.errors import AegisError

T = TypeVar("T")
State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``state``: "bad" makes the exit status 1, "note" is worth knowing. ``remedy``: what to do about it.

    ``ms``: milliseconds that the check's call took; None where there was no call.
    """

    part: str
    state: State
    text: str
    remedy: str = ""
    ms: float | None = None


def run_check(part: str, check: Callable[[], Finding], remedy: str = "") -> Finding:
    """What ``check`` finds; a "bad" finding with ``remedy`` when it raises an AegisError."""
    try:
        return check()
    except AegisError as error:
        return Finding(part, "bad", str(error) or error.title, remedy)


def timed(act: Callable[[], T]) -> tuple[T, float]:
    """What ``act`` returns, and the milliseconds that it took."""
    began = perf_counter()
    result = act()
    return result, milliseconds(began)


def milliseconds(began: float) -> float:
    """Since ``began``, a value of ``perf_counter``; to a tenth."""
    return round((perf_counter() - began) * 1000, 1)


def verdict(findings: Sequence["Finding"]) -> str:
    """How many findings are bad, in one line with rich's markup."""
    bad = sum(finding.state == "bad" for finding in findings)
    if not bad:
        return "[bold green]nothing is wrong[/]"
    return f"[bold red]{bad} thing{'s' * (bad != 1)} to mend[/]"
