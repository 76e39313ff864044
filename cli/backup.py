"""``aegis backup``: make a backup; list, show, verify, rehearse and prune them."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from cli.backup_tables import (
    backup_page,
    backup_table,
    faults,
    made,
    pruned,
    rehearsed,
    standing_lines,
    verified,
)
from cli.client import Client, client_of
from cli.following import concluded
from cli.printing import print_json
from rag.model import LATEST, Json
from rag.settings import load

app = typer.Typer(
    help="Make a backup now, and follow it to its end; or list, show, verify, rehearse and prune backups.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Backup = Annotated[str, typer.Argument(metavar="ID", help="As `aegis backup list` shows it.")]
Wait = Annotated[bool, typer.Option(help="Follow the job to its end; Ctrl-C leaves it running.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str | None, typer.Option(help="Address of the API; default: the stack on this machine.")]


@app.callback(invoke_without_command=True)
def back_up(
    context: typer.Context,
    full: Annotated[
        bool, typer.Option("--full", help="Send everything again, not only what the bucket does not hold.")
    ] = False,
    wait: Wait = True,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Without a command: make a backup now."""
    if context.invoked_subcommand is not None:
        if full or as_json or url or not wait:  # it would not get to know of them
            raise typer.BadParameter(f"options go behind `{context.invoked_subcommand}`")
        return
    mode = "full" if full else "incremental"
    _done(lambda client: client.back_up(mode), made, wait=wait, as_json=as_json, url=url)


@app.command(name="list")
def show_all(as_json: AsJson = False, url: Url = None) -> None:
    """The backups, newest first, and how the last job of each kind ended."""
    with client_of(load(), url) as client:
        backups, standing = list(client.backups()), client.backups_standing()
    if as_json:
        print_json({"backups": backups, "standing": standing})
        return
    console = Console(highlight=False)
    console.print(backup_table(backups) if backups else "There are no backups.")
    console.print(*faults(backups), *standing_lines(standing), sep="\n")


@app.command()
def show(backup: Backup = LATEST, as_json: AsJson = False, url: Url = None) -> None:
    """One backup: what it has, by collection."""
    with client_of(load(), url) as client:
        found = client.backup(backup)
    if as_json:
        print_json(found)
    else:
        Console(highlight=False).print(backup_page(found))


@app.command()
def verify(backup: Backup = LATEST, wait: Wait = True, as_json: AsJson = False, url: Url = None) -> None:
    """Read every object of a backup again, and compare it with its checksum."""
    _done(lambda client: client.verify(backup), verified, wait=wait, as_json=as_json, url=url)


@app.command()
def rehearse(backup: Backup = LATEST, wait: Wait = True, as_json: AsJson = False, url: Url = None) -> None:
    """Restore a backup beside what serves, compare counts, digests and hits, and drop it again."""
    _done(lambda client: client.rehearse(backup), rehearsed, wait=wait, as_json=as_json, url=url)


@app.command()
def prune(wait: Wait = True, as_json: AsJson = False, url: Url = None) -> None:
    """Remove the backups that need not be kept, and what broken ones have left."""
    _done(lambda client: client.prune_backups(), pruned, wait=wait, as_json=as_json, url=url)


def _done(
    submit: Callable[[Client], Json],
    words: Callable[[Json], str],
    *,
    wait: bool,
    as_json: bool,
    url: str | None,
) -> None:
    with client_of(load(), url) as client:
        concluded(client, submit(client), words, wait=wait, as_json=as_json)
