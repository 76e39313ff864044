"""``aegis restore``: bring back what a backup has."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from cli.client.client import Client
from cli.commands import ids
from cli.commands.call import Call, shows_data
from cli.commands.follow import show_end
from cli.tables.backups import restored
from cli.tables.printing import shown
from cli.units import age, clock, many
from rag.model import LATEST
from rag.web.jsontypes import Json


@shows_data
def restore(
    call: Call,
    backup: Annotated[str, typer.Argument(metavar="ID", help="latest, an id, or a beginning of one alone.")],
    collection: Annotated[str | None, typer.Option(help="This one alone; default: all of them.")] = None,
    into: Annotated[str | None, typer.Option(help="Under this name, beside what is there.")] = None,
    at: Annotated[
        str | None,
        typer.Option(help="As things were then, such as 2026-11-23T20:15; local time unless it says."),
    ] = None,
    replay: Annotated[
        bool, typer.Option(help="Do again what was ingested after the backup and is still recorded.")
    ] = True,
    deletions: Annotated[
        bool,
        typer.Option("--deletions", help="Delete again what was deleted after the backup, as with --at."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end; Ctrl-C leaves it running.")] = True,
) -> None:
    """Restore collections. What is there serves until all of it is back, and stays if that fails.

    On a terminal it asks before anything is replaced.
    """
    console = Console(highlight=False, stderr=not call.for_people)
    try:
        moment = None if at is None else datetime.fromisoformat(at).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as error:  # OverflowError: beyond the calendar in UTC
        raise typer.BadParameter(f"--at: {at!r} is no time such as 2026-11-23T20:15 or …20:15Z") from error
    with call.client() as client:
        found = client.backup(ids.backup_id(client, backup), at=moment if backup == LATEST else None)
        plan = Plan.of(found, collection, into, client)
        console.print(*plan.lines(), sep="\n")
        if plan.there and not yes and _on_a_terminal():
            typer.confirm(f"Replace {many(len(plan.there), 'collection')}?", abort=True, err=True)
        options = {
            "collection": collection,
            "into": into,
            "at": moment,
            "replay": replay,
            "deletions": deletions,
        }
        submitted = client.restore(found["id"], **options)
        show_end(call, client, submitted, restored, wait=wait)


@dataclass(frozen=True, slots=True)
class Plan:
    """``saved``: the collections to restore, as the backup has them.

    ``there``: what serves today under their names, and is to give way.
    """

    backup: Json
    saved: tuple[Json, ...]
    into: str | None
    there: dict[str, Json]

    @classmethod
    def of(cls, backup: Json, collection: str | None, into: str | None, client: Client) -> "Plan":
        saved = tuple(each for each in backup["collections"] if collection in (None, each["name"]))
        names = {each["name"] for each in saved} if into is None else set()
        there = {each["name"]: each for each in client.collections() if each["name"] in names}
        return cls(backup, saved, into, there)

    def lines(self) -> Iterator[str]:
        """What is restored, and what of today it replaces."""
        began = self.backup["began_at"]
        yield f"backup [bold]{shown(self.backup['id'])}[/] of {clock(began)}, {age(began)} ago"
        if not self.backup["documents"]:
            yield "[yellow]it has no documents: `aegis backup list` shows whether an older one has[/]"
        for each in self.saved:
            today = self.there.get(each["name"])
            instead = f", in place of {many(today['documents'], 'document')}" if today else ""
            yield f"  {shown(self.into or each['name'])}: {many(each['documents'], 'document')}{instead}"


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()
