"""One line of what ``aegis doctor`` found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rag.errors import AegisError

State = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``state`` "bad" makes the exit status 1; "note" is worth knowing. ``remedy``: what to do about it."""

    subject: str
    state: State
    text: str
    remedy: str = ""


def found(subject: str, finding: Callable[[], Finding], remedy: str = "") -> Finding:
    """The finding, or the error that came in its place, with ``remedy``."""
    try:
        return finding()
    except AegisError as error:
        return Finding(subject, "bad", str(error) or error.title, remedy)
