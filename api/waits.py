"""How many streams and long polls are held open for each key: each takes memory for as long as it lasts."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rag.errors import Overloaded

_COME_BACK_SECONDS = 5.0


class Waits:
    """Of this process, ``most`` for each key. Without keys there is nobody to share with, and no bound."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()

    def full(self, owner: str) -> bool:
        """Whether the key may not wait for anything more now."""
        return bool(owner) and self._held[owner] >= self._most

    def check(self, owner: str) -> None:
        """Overloaded where the key may not wait for anything more now."""
        if self.full(owner):
            raise Overloaded(
                f"This key waits for {self._most} jobs already, as many as it may: end some, or look later",
                retry_after=_COME_BACK_SECONDS,
            )

    @asynccontextmanager
    async def held(self, owner: str) -> AsyncIterator[None]:
        """One more while the block lasts."""
        self._held[owner] += 1
        try:
            yield
        finally:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
