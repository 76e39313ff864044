"""How long one goes on without a sign of the API, and when one tries again."""

from time import monotonic

from rag.errors import Overloaded, Transient

SECONDS = 300.0
"""That an API may be away: it is restarted, or a connection is made anew, in less."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 16.0


class Patience:
    """Of one who waits for something that takes hours. Nothing was amiss when it is made."""

    def __init__(self) -> None:
        self._pause = _FIRST_PAUSE
        self.note_sign()

    def note_sign(self) -> None:
        """The API is there."""
        self._until = monotonic() + SECONDS

    def note_news(self) -> None:
        """It told something new, so the next try may come soon."""
        self.note_sign()
        self._pause = _FIRST_PAUSE

    def pause(self, error: Transient | None = None) -> float:
        """Seconds until the next try, longer each time. Raises ``error`` when the last sign is too old."""
        if isinstance(error, Overloaded):
            self.note_sign()
        seconds = (error and error.retry_after) or self._pause
        if error and monotonic() + seconds > self._until:
            raise error
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return seconds
