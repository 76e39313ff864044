"""Interrupting a stage whose worker ends before it does: it is given back, and not held against the job."""

from collections.abc import Iterator
from contextlib import contextmanager


class Drained(BaseException):
    """Raised within a stage's work. No Exception, so that no work takes it for a failure of its own."""


class Drain:
    """Of one process. Its worker asks by a signal, which Python handles in the thread that works."""

    def __init__(self) -> None:
        self._asked = False
        self._interruptible = False

    @property
    def asked(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._asked

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Raises Drained inside the block as soon as the worker has asked."""
        self._interruptible = True
        try:
            if self._asked:
                raise Drained
            yield
        finally:
            self._interruptible = False

    def ask(self, *_: object) -> None:
        """A signal handler."""
        self._asked = True
        if self._interruptible:
            raise Drained
