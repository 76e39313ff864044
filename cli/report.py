"""Tables and summaries of the command line."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import progress
from rich.console import Console
from rich.table import Table

from cli.figures import age, clock, size
from cli.ingestion import Outcome
from cli.printing import shown
from rag.model import ABOUT_BACKUPS, Json

if TYPE_CHECKING:
    from cli.examination.finding import Finding

_COLOURS = {"succeeded": "green", "failed": "red", "dead": "red", "running": "cyan", "cancelled": "yellow"}
_MARKS = {"ok": "[green]✓ ok[/]", "note": "[cyan]· note[/]", "bad": "[red]✗ bad[/]"}


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


def job_table(jobs: Iterable[Json]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in ("id", "kind", "subject", "state", "stage", "progress", "created", "reason"):
        table.add_column(column, no_wrap=column in ("id", "created"))
    for job in jobs:
        colour = _COLOURS.get(job["state"], "default")
        table.add_row(
            shown(job["id"]),
            shown(job["kind"]),
            shown(job["subject"]["name"]),
            f"[{colour}]{shown(job['state'])}[/]",
            shown(job["stage"]),
            _progress(job),
            clock(job["created_at"]),
            shown((job["error"] or {}).get("detail", "")),
        )
    return table


def dead_letter_table(letters: Iterable[Json]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in ("id", "died", "reason", "stage", "what"):
        table.add_column(column, no_wrap=column in ("id", "died"))
    for letter in letters:
        table.add_row(
            shown(letter["id"]),
            f"{age(letter['died_at'])} ago",
            f"[red]{shown(letter['reason'] or '')}[/]",
            shown(letter["stage"]),
            shown(letter["subject"]["name"]),
        )
    return table


def dead_letter_page(letter: Json) -> Table:
    """Everything about one dead letter, a line a fact."""
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    error = letter["error"] or {}
    facts = {
        "id": letter["id"],
        "what": f"{letter['kind']} in {_place(letter)}",
        "document": letter["document_id"],
        **letter["inputs"],
        "accepted": clock(letter["created_at"]),
        "died": f"{clock(letter['died_at'])}, {age(letter['died_at'])} ago, at stage {letter['stage']}",
        "attempts": f"{letter['attempts']} at that stage, {letter['retries']} retries in all",
        "reason": letter["reason"],
        "error": error.get("detail") or error.get("title"),
    }
    for name, value in facts.items():
        if value not in (None, {}):
            table.add_row(shown(name), shown(value))
    return table


def document_table(documents: Iterable[Json]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in ("id", "title", "type", "version", "chunks", "updated"):
        table.add_column(column, justify="right" if column in ("version", "chunks") else "left")
    for document in documents:
        table.add_row(
            shown(document["document_id"]),
            shown(document["title"]),
            shown(document["media_type"]),
            str(document["version"]),
            str(document["chunks"]),
            clock(document["updated_at"]),
        )
    return table


def finding_table(findings: Iterable["Finding"]) -> Table:
    """A row a finding: part, state, what was found, milliseconds, what to do about it."""
    table = Table(box=None, header_style="bold")
    table.add_column("part", style="bold")
    table.add_column("state", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column("ms", justify="right")
    table.add_column("what to do", style="cyan", overflow="fold")
    for finding in findings:
        ms = "" if finding.ms is None else f"{finding.ms:.1f}"
        table.add_row(
            shown(finding.part), _MARKS[finding.state], shown(finding.text), ms, shown(finding.remedy)
        )
    return table


def verdict(findings: Sequence["Finding"]) -> str:
    """The findings in a line."""
    bad = sum(finding.state == "bad" for finding in findings)
    if not bad:
        return "[bold green]nothing is wrong[/]"
    return f"[bold red]{bad} thing{'s' * (bad != 1)} to mend[/]"


def _failure(outcome: Outcome) -> str:
    return f"[red]✗[/] {shown(outcome.found.path)}: {shown(outcome.reason or '')}"


def _place(letter: Json) -> str:
    return f"collection {letter['collection']}" if letter["collection"] else "all collections"


def _progress(job: Json) -> str:
    done, total = job["progress"]["done"], job["progress"]["total"]
    if not total:
        return ""
    if job["kind"] in ABOUT_BACKUPS:
        return f"{size(done)} of {size(total)}"
    return f"{done}/{total}"
