"""Places that callers share: so many in all, and no caller has more than half of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rag.errors import Overloaded

_RETRY_SECONDS = 5.0


@dataclass(slots=True)
class Places:
    """``subject``: what they are for, as the refusal says it."""

    subject: str
    most: int
    _taken: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def taken(self, owner: str) -> Iterator[None]:
        """A place until the block ends. Overloaded."""
        if not self.has_room(owner):
            raise Overloaded(f"Too many are open at once: {self.subject}", retry_after=_RETRY_SECONDS)
        self._taken[owner] += 1
        try:
            yield
        finally:
            self._taken[owner] -= 1
            if not self._taken[owner]:
                del self._taken[owner]

    def has_room(self, owner: str) -> bool:
        return self._taken[owner] < max(1, self.most // 2) and self._taken.total() < self.most
