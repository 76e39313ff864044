"""``aegis backup``: make a backup; list, show, verify, rehearse and prune them."""

from typing import Annotated

import typer
from rich.console import Console

from cli.commands import ids
from cli.commands.call import Call, shows_data
from cli.commands.follow import show_end
from cli.shell.groups import group
from cli.tables.backups import BACKUPS, backup_page, faults, made, pruned, rehearsed, status_lines, verified
from cli.tables.views import Format
from rag.model import LATEST

app = group("Make a backup now, and follow it to its end; or list, show, verify, rehearse and prune backups.")

Backup = Annotated[str, typer.Argument(metavar="ID", help="latest, an id, or a beginning of one alone.")]
Wait = Annotated[bool, typer.Option(help="Follow the job to its end; Ctrl-C leaves it running.")]


@app.callback(invoke_without_command=True)
@shows_data
def back_up(
    call: Call,
    context: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="Send everything again, not only what the bucket does not hold.")
    ] = False,
    wait: Wait = True,
) -> None:
    """Without a command: make a backup now."""
    if context.invoked_subcommand is not None:
        if full or not wait or call != Call():  # options before the command would be lost
            raise typer.BadParameter(f"options go behind `{context.invoked_subcommand}`")
        return
    mode = "full" if full else "incremental"
    with call.client() as client:
        show_end(call, client, client.back_up(mode), made, wait=wait)


@app.command(name="list")
@shows_data
def show_all(call: Call) -> None:
    """The backups, newest first, and how the last job of each kind ended."""
    with call.client() as client:
        backups, status = list(client.backups()), client.backups_standing()
    if call.form is Format.JSON:
        call.show_one({"backups": backups, "standing": status}, lambda _: ())
    elif call.for_people:
        call.show_rows((each for each in backups if "error" not in each), BACKUPS)
        Console(highlight=False).print(*faults(backups), *status_lines(status), sep="\n")
    else:
        call.show_rows(backups, BACKUPS)


@app.command()
@shows_data
def show(call: Call, backup: Backup = LATEST) -> None:
    """One backup: what it has, by collection."""
    with call.client() as client:
        call.show_one(client.backup(ids.backup_id(client, backup)), backup_page)


@app.command()
@shows_data
def verify(call: Call, backup: Backup = LATEST, wait: Wait = True) -> None:
    """Read every object of a backup again, and compare it with its checksum."""
    with call.client() as client:
        show_end(call, client, client.verify(ids.backup_id(client, backup)), verified, wait=wait)


@app.command()
@shows_data
def rehearse(call: Call, backup: Backup = LATEST, wait: Wait = True) -> None:
    """Restore a backup beside what serves, compare counts, digests and hits, and drop it again."""
    with call.client() as client:
        show_end(call, client, client.rehearse(ids.backup_id(client, backup)), rehearsed, wait=wait)


@app.command()
@shows_data
def prune(call: Call, wait: Wait = True) -> None:
    """Remove the backups that need not be kept, and what broken ones have left."""
    with call.client() as client:
        show_end(call, client, client.prune_backups(), pruned, wait=wait)
