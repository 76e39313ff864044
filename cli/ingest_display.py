"""Shows how an ingestion proceeds: one line that changes on a terminal, a new line now and then elsewhere.

All of it goes to standard error, so that standard output has only the summary.
"""

from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.text import Text

from cli.figures import duration
from cli.ingest_summary import explain, say
from cli.ingestion import Outcome, Watcher
from cli.sources import Source
from cli.tally import Tally
from rag.errors import AegisError, Overloaded

_BAR = 8
_LINE_SECONDS = 10.0
"""Between two lines where there is no terminal."""

_NOTE_SECONDS = 30.0


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
