"""How far an ingestion is, how fast it goes, and when it will be done. Pure: the time is given."""

from collections import deque
from dataclasses import dataclass, field

from cli.figures import duration

_WINDOW_SECONDS = 30.0
_LEAST_SECONDS = 2.0
"""Until then there is neither a rate nor an estimate."""

_ESTIMATE_FILES, _ESTIMATE_SHARE = 3, 0.05
"""So many files, or this share of all, must be done before there is an estimate."""

_FAST = 10
"""Passages a second; a faster rate is shown without tenths."""

_FIXED_WEIGHT = 4_096
"""Bytes that are added to a document's size: each document costs time of its own."""


@dataclass(slots=True)
class Tally:
    """``files`` in all, of ``size`` bytes. Passages count as they are embedded."""

    files: int
    size: int
    ended: int = 0
    failed: int = 0
    _passages: int = 0
    _weight: float = 0.0
    _open: dict[str, tuple[int, float]] = field(default_factory=dict)
    """By document: passages, and its weight so far."""
    _seen: deque[tuple[float, int, float]] = field(default_factory=deque)

    @property
    def passages(self) -> int:
        return self._passages + sum(passages for passages, _ in self._open.values())

    @property
    def share(self) -> float:
        """The done part of everything, from 0 to 1."""
        return min(1.0, self._done / self._all)

    def advance(self, name: str, size: int, done: int, total: int) -> None:
        """``done`` of the document's ``total`` passages are embedded, or stored: each counts once."""
        done = max(done, self._open.get(name, (0, 0.0))[0])
        self._open[name] = (done, weight(size) * done / total if total else 0.0)

    def end(self, name: str, size: int, passages: int, *, failed: bool = False) -> None:
        self._open.pop(name, None)
        self.ended, self.failed = self.ended + 1, self.failed + failed
        self._passages, self._weight = self._passages + passages, self._weight + weight(size)

    def line(self, now: float) -> str:
        """Files, passages, rate and the time that is left, in about 70 characters."""
        self._seen.append((now, self.passages, self._done))
        while len(self._seen) > 1 and now - self._seen[1][0] >= _WINDOW_SECONDS:
            self._seen.popleft()
        began, passages, done = self._seen[0]
        facts = [f"{self.ended:,}/{self.files:,} files", f"{self.passages:,} passages"]
        elapsed = now - began
        if elapsed >= _LEAST_SECONDS and self.passages > passages:
            rate = (self.passages - passages) / elapsed
            facts.append(f"{rate:.0f}/s" if rate >= _FAST else f"{rate:.1f}/s")
        if elapsed >= _LEAST_SECONDS and self._done > done and self._has_estimate:
            facts.append(f"{duration(max(1, (self._all - self._done) * elapsed / (self._done - done)))} left")
        return ", ".join(facts)

    @property
    def _has_estimate(self) -> bool:
        """Whether enough was done for an estimate, and not all."""
        return self.ended < self.files and (self.ended >= _ESTIMATE_FILES or self.share >= _ESTIMATE_SHARE)

    @property
    def _all(self) -> float:
        return float(max(1, self.size + self.files * _FIXED_WEIGHT))

    @property
    def _done(self) -> float:
        return self._weight + sum(share for _, share in self._open.values())


def weight(size: int) -> float:
    return float(size + _FIXED_WEIGHT)
