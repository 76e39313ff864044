"""``aegis dlq``: the jobs that were given up, and what becomes of them.

Exit status 0 when everything was done, 1 when something of it was not, 2 for a call that
cannot be meant.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console

from cli.client import Client, client_of
from cli.printing import print_json
from cli.report import dead_letter_page, dead_letter_table
from rag.errors import Permanent
from rag.model import Json
from rag.printable import one_line
from rag.settings import load

app = typer.Typer(
    help="List, show, replay and drop dead letters: the jobs that were given up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="As `aegis dlq list` shows them.")]
Reason = Annotated[str | None, typer.Option(help="Those of this reason, such as unavailable or crashed.")]
Collection = Annotated[str | None, typer.Option(help="Those of this collection.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Url = Annotated[str | None, typer.Option(help="Address of the API; default: the stack on this machine.")]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The dead letters that are meant: by id, or all of a reason and a collection."""

    ids: tuple[str, ...]
    reason: str | None
    collection: str | None

    @classmethod
    def of(
        cls, ids: list[str] | None, reason: str | None, collection: str | None, *, every: bool
    ) -> "Chosen":
        """BadParameter unless either ids are named, or a reason or collection, or all."""
        if bool(ids) + bool(reason or collection) + every != 1:
            raise typer.BadParameter("name either ids, or --reason and --collection, or --all")
        return cls(tuple(dict.fromkeys(ids or ())), reason, collection)

    def found(self, client: Client) -> tuple[str, ...]:
        """The ids of all that are meant, as of now."""
        return self.ids or tuple(d["id"] for d in client.dead_letters(self.reason, self.collection))


@app.command(name="list")
def show_all(
    reason: Reason = None, collection: Collection = None, as_json: AsJson = False, url: Url = None
) -> None:
    """The dead letters, newest first."""
    with client_of(load(), url) as client:
        letters = list(client.dead_letters(reason, collection))
    if as_json:
        print_json(letters)
    else:
        Console(highlight=False).print(
            dead_letter_table(letters) if letters else "There are no dead letters."
        )


@app.command()
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False, url: Url = None
) -> None:
    """One dead letter: what was submitted, and what went wrong."""
    with client_of(load(), url) as client:
        letter = client.dead_letter(job_id)
    if as_json:
        print_json(letter)
    else:
        Console(highlight=False).print(dead_letter_page(letter))


@app.command()
def replay(
    ids: Ids = None,
    reason: Reason = None,
    collection: Collection = None,
    every: All = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the jobs to their end.")] = False,
    url: Url = None,
) -> None:
    """Run dead letters again, from the stage where they died."""
    chosen = Chosen.of(ids, reason, collection, every=every)
    with client_of(load(), url) as client:
        if not chosen.ids and not wait:
            count, left = client.replay_all(reason, collection)
            print(f"{count} replayed; `aegis jobs` follows them")
            if left:
                print(f"The queue is full: {left} are left, try again once it has room")
            return
        replayed, failed = _each(chosen.found(client), client.replay)
        print(f"{len(replayed)} replayed")
        failed += sum(not _succeeded(client, job_id) for job_id in replayed) if wait else 0
    raise typer.Exit(1 if failed else 0)


@app.command()
def drop(
    ids: Ids = None,
    reason: Reason = None,
    collection: Collection = None,
    every: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
) -> None:
    """Give dead letters up for good: their jobs count as failed."""
    chosen = Chosen.of(ids, reason, collection, every=every)
    with client_of(load(), url) as client:
        if chosen.ids:
            dropped, failed = _each(chosen.ids, client.drop)
            print(f"{len(dropped)} dropped")
            raise typer.Exit(1 if failed else 0)
        if not yes:
            _confirm(client, chosen)
        print(f"{client.drop_all(reason, collection)} dropped")


def _each(ids: tuple[str, ...], act: Callable[[str], Json]) -> tuple[list[str], int]:
    """Those that ``act`` was done on, and how many it was refused for, each with its reason on stderr."""
    done = []
    for job_id in ids:
        try:
            act(job_id)
        except Permanent as error:
            print(one_line(f"aegis: {job_id}: {error or error.title}"), file=sys.stderr)
        else:
            done.append(job_id)
    return done, len(ids) - len(done)


def _succeeded(client: Client, job_id: str) -> bool:
    job = client.finished(job_id)
    reason = (job["error"] or {}).get("detail")
    print(one_line(f"{job_id} {job['state']}{f': {reason}' if reason else ''}"))
    return bool(job["state"] == "succeeded")


def _confirm(client: Client, chosen: Chosen) -> None:
    """Ask on a terminal; Abort for a no, BadParameter where nobody can be asked."""
    if not _on_a_terminal():
        raise typer.BadParameter("dropping many at once needs --yes where nobody can be asked")
    if count := len(chosen.found(client)):
        typer.confirm(f"Drop {count} dead letters for good?", abort=True)


def _on_a_terminal() -> bool:
    return sys.stdin.isatty()
