"""A page of what a store lists."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """A page of a listing; ``next`` is the cursor of the following page, None at the end."""

    items: tuple[T, ...]
    next: str | None


def all_items(page: Callable[..., Window[T]], after: str | None = None) -> Iterator[T]:
    """The items of all pages behind the cursor ``after``; None: from the first.

    ``page`` takes a ``cursor`` and reads that page. It is called when the page before is used up.
    """
    while True:
        window = page(cursor=after)
        yield from window.items
        if window.next is None:
            return
        after = window.next
