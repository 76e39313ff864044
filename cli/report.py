"""Tables and summaries of the command line."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import progress
from rich.console import Console

from cli.ingestion import Outcome
from cli.printing import shown

if TYPE_CHECKING:
    from cli.examination.finding import Finding


class Progress:
    """A bar over the files of an ingestion; failures are shown above it as they happen."""

    def __init__(self, console: Console, total: int) -> None:
        columns = (
            progress.TextColumn("ingesting"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
        )
        self._bar = progress.Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("ingesting", total=total)

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, outcome: Outcome) -> None:
        if outcome.reason is not None:
            self._bar.console.print(_failure(outcome), highlight=False)
        self._bar.advance(self._task)


def summary(console: Console, outcomes: Sequence[Outcome], skipped: Counter[str], *, waited: bool) -> int:
    """Print what became of everything; the exit status, 1 when any file failed."""
    failed = [outcome for outcome in outcomes if outcome.reason is not None]
    good = [outcome for outcome in outcomes if outcome.reason is None]
    if waited:
        results = [(outcome.job or {}).get("result") or {} for outcome in good]
        unchanged = sum(bool(result.get("unchanged")) for result in results)
        chunks = sum(result.get("chunks", 0) for result in results)
        console.print(
            f"{len(good)} searchable ({unchanged} unchanged), {chunks} chunks; {len(failed)} failed"
        )
    else:
        console.print(f"{len(good)} accepted, {len(failed)} refused; `aegis jobs` follows them")
    if skipped:
        kinds = ", ".join(f"{count} {extension}" for extension, count in skipped.most_common(6))
        console.print(f"[dim]skipped, no parser reads them: {shown(kinds)}[/]", highlight=False)
    return 1 if failed else 0


def verdict(findings: Sequence["Finding"]) -> str:
    """The findings in a line."""
    bad = sum(finding.state == "bad" for finding in findings)
    if not bad:
        return "[bold green]nothing is wrong[/]"
    return f"[bold red]{bad} thing{'s' * (bad != 1)} to mend[/]"


def _failure(outcome: Outcome) -> str:
    return f"[red]✗[/] {shown(outcome.found.path)}: {shown(outcome.reason or '')}"
