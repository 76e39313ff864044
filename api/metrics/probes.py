"""Checks of other servers that must not hold up a scrape: each runs in a thread of its own, now and then."""

from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

_FIRST_SECONDS = 2.0  # that the first scrape waits for a result


class Probe(Generic[T]):
    """The latest result of ``check``, which is run when somebody asks, ``every`` so many seconds at most."""

    def __init__(self, check: Callable[[], T], *, every: float, limit: float) -> None:
        """``limit``: seconds after which a check that has not ended counts as failed."""
        self._check = check
        self._every = every
        self._limit = limit
        self._lock = Lock()
        self._thread: Thread | None = None
        self._begun = 0.0
        self._result: T | None = None

    def latest(self) -> T | None:
        """The result; None before there is one, and while a check takes longer than its limit."""
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            first = self._thread is None
            if not running and (first or monotonic() - self._begun >= self._every):
                self._begun = monotonic()
                self._thread = Thread(target=self._run, name="probe", daemon=True)
                self._thread.start()
            if first and self._thread is not None:
                self._thread.join(_FIRST_SECONDS)
            overdue = running and monotonic() - self._begun > self._limit
            return None if overdue else self._result

    def _run(self) -> None:
        self._result = self._check()
