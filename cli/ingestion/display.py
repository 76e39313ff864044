"""Shows how an ingestion proceeds: one line that changes on a terminal, a new line now and then elsewhere.

All of it goes to standard error, so that standard output has only the summary.
"""

from collections import deque
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.text import Text

from cli.ingestion.ingestion import Outcome, Watcher
from cli.ingestion.sources import Source
from cli.ingestion.summary import explain, say
from cli.units import duration
from rag.errors import AegisError, Overloaded

_BAR = 8
_LINE_SECONDS = 10.0
"""Between two lines where there is no terminal."""

_NOTE_SECONDS = 30.0

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


class Display(Watcher):
    """Draws until the block ends."""

    def __init__(self, console: Console, tally: Tally) -> None:
        super().__init__()
        self._console, self._tally = console, tally
        self._bar = Progress(
            BarColumn(_BAR), _Line(tally), console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task("", total=1.0)
        self._written, self._noted = monotonic(), 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def end(self, outcome: Outcome) -> None:
        source, failed = outcome.source, outcome.reason is not None
        size = getattr(source, "size", 0)
        self._tally.end(source.name, size, outcome.result.get("chunks", 0), failed=failed)
        if failed:
            self.say(f"✗ {source.name}: {failure(outcome)}", "red")
        self._draw()

    def advance(self, source: Source, done: int, total: int) -> None:
        self._tally.advance(source.name, source.size, done, total)
        self._draw()

    def tick(self) -> None:
        self._draw()

    def delay(self, error: AegisError, seconds: float) -> None:
        """The API asks to repeat a call later; this is said twice a minute at most."""
        now = monotonic()
        if now - self._noted >= _NOTE_SECONDS:
            self._noted = now
            why = "the API has no room" if isinstance(error, Overloaded) else "the API is away"
            self.say(f"· {why}; trying again in {duration(seconds)}: {error}", "yellow")

    def say(self, text: str, style: str = "") -> None:
        say(self._console, text, style)

    def _draw(self) -> None:
        self._bar.update(self._task, completed=self._tally.share)
        now = monotonic()
        if not self._console.is_terminal and now - self._written >= _LINE_SECONDS:
            self._written = now
            self.say(self._tally.line(now))


class _Line(ProgressColumn):
    """The tally, cut off where the terminal ends."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def render(self, task: Task) -> Text:  # noqa: ARG002 - the tally knows more
        return Text(self._tally.line(monotonic()), no_wrap=True, overflow="ellipsis")


def failure(outcome: Outcome) -> str:
    """Why a document failed, in a line: the kind of failure, and its reason."""
    title = explain(outcome.code).title
    return f"{title}: {outcome.reason}" if outcome.code else str(outcome.reason)
