"""Tables and summaries of the command line."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from cli.figures import age, clock, size
from cli.printing import shown
from rag.model import ABOUT_BACKUPS, Json

if TYPE_CHECKING:
    from cli.examination.finding import Finding

_COLOURS = {"succeeded": "green", "failed": "red", "dead": "red", "running": "cyan", "cancelled": "yellow"}
_MARKS = {"ok": "[green]✓ ok[/]", "note": "[cyan]· note[/]", "bad": "[red]✗ bad[/]"}


def job_table(jobs: Iterable[Json]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in ("id", "kind", "state", "stage", "progress", "created", "reason"):
        table.add_column(column, no_wrap=column in ("id", "created"))
    for job in jobs:
        colour = _COLOURS.get(job["state"], "default")
        table.add_row(
            shown(job["id"]),
            shown(job["kind"]),
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
            shown(_subject(letter)),
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


def _place(letter: Json) -> str:
    return f"collection {letter['collection']}" if letter["collection"] else "all collections"


def _progress(job: Json) -> str:
    done, total = job["progress"]["done"], job["progress"]["total"]
    if not total:
        return ""
    if job["kind"] in ABOUT_BACKUPS:
        return f"{size(done)} of {size(total)}"
    return f"{done}/{total}"


def _subject(letter: Json) -> str:
    """What a dead letter was about, as whoever submitted it would say."""
    inputs = letter["inputs"]
    named = (inputs.get(name) for name in ("question", "title", "filename", "url", "backup"))
    known = next(filter(None, named), None) or letter["document_id"] or letter["collection"]
    return str(known or letter["kind"])
