"""A page of what a store lists."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """A page of a listing; ``next`` is the cursor of the following page, None at the end."""

    items: tuple[T, ...]
    next: str | None
