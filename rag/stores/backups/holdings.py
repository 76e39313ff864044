"""Which parts a vault holds."""

from rag.model import StoredPart
from rag.stores.backups.objects import Objects

_FEW = 16
"""Parts that are asked for one by one, before all of them are listed: a thousand come in one answer."""


class Holdings:
    """Good for as long as nobody removes parts. One that is cut short, as after a power cut, is not there.

    ``asks`` False: it knows only of those that it is told of.
    """

    def __init__(self, objects: Objects, folder: str, *, asks: bool) -> None:
        self._objects = objects
        self._folder = folder
        self._asks = asks
        self._asked = 0
        self._sizes: dict[str, int] = {}
        self.sent = 0
        """Bytes that were stored."""

    def has(self, part: StoredPart) -> bool:
        """Whether the vault holds it. Raises Unavailable when the store is away."""
        if self._sizes.get(part.key) == part.size:
            return True
        if self._asks and self._asked < _FEW:
            self._asked += 1
            return self._objects.size(part.key) == part.size
        if self._asks:
            self._asks = False
            self._sizes.update(self._objects.sizes(self._folder))
        return self._sizes.get(part.key) == part.size

    def add(self, part: StoredPart) -> None:
        """It was stored just now."""
        self._sizes[part.key] = part.size
        self.sent += part.size
