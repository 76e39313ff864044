"""``aegis dlq``: the jobs that were given up, and what becomes of them.

Exit status 0 when everything was done, 1 when something of it was not, 2 for a call that
cannot be meant; when nothing was done, that of the reason.
"""

import sys
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from cli import ids
from cli.batch import do_to_each
from cli.call import Call, asks_api, shows_data
from cli.client import Client
from cli.dead_letter_views import DEAD_LETTERS, dead_letter_page
from cli.exits import status_of_all
from cli.groups import group
from rag.printable import one_line

app = group(
    "List, show, replay and drop dead letters: the jobs that were given up.",
    no_args_is_help=True,
)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Whole, or beginnings.")]
Reason = Annotated[str | None, typer.Option(help="Those of this reason, such as unavailable or crashed.")]
Collection = Annotated[str | None, typer.Option(help="Those of this collection.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The dead letters that are meant: by id, or all of a reason and a collection."""

    ids: tuple[str, ...]
    reason: str | None
    collection: str | None

    @classmethod
    def of(
        cls, named: list[str] | None, reason: str | None, collection: str | None, *, every: bool
    ) -> "Chosen":
        """BadParameter unless either ids are named, or a reason or collection, or all."""
        if bool(named) + bool(reason or collection) + every != 1:
            raise typer.BadParameter("name either ids, or --reason and --collection, or --all")
        return cls(tuple(dict.fromkeys(named or ())), reason, collection)

    def found(self, client: Client) -> tuple[str, ...]:
        """The ids of all that are meant, as of now."""
        return self.ids or tuple(d["id"] for d in client.dead_letters(self.reason, self.collection))


@app.command(name="list")
@shows_data
def show_all(call: Call, reason: Reason = None, collection: Collection = None) -> None:
    """The dead letters, newest first."""
    with call.client() as client:
        call.show_rows(client.dead_letters(reason, collection), DEAD_LETTERS)


@app.command()
@shows_data
def show(call: Call, job_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """One dead letter: what was submitted, and what went wrong."""
    with call.client() as client:
        call.show_one(client.dead_letter(ids.dead_letter_id(client, job_id)), dead_letter_page)


@app.command()
@asks_api
def replay(
    call: Call,
    job_ids: Ids = None,
    reason: Reason = None,
    collection: Collection = None,
    every: All = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the jobs to their end.")] = False,
) -> None:
    """Run dead letters again, from the stage where they died."""
    chosen = Chosen.of(job_ids, reason, collection, every=every)
    with call.client() as client:
        if not chosen.ids and not wait:
            count, left = client.replay_all(reason, collection)
            print(f"{count} replayed; `aegis jobs` follows them")
            if left:
                print(f"The queue is full: {left} are left, try again once it has room")
            return
        replayed, errors = do_to_each(
            chosen.found(client), partial(ids.dead_letter_id, client), client.replay
        )
        print(f"{len(replayed)} replayed")
        lost = sum(not _follow(client, job_id) for job_id in replayed) if wait else 0
    raise typer.Exit(status_of_all(errors, done=bool(replayed)) or bool(lost))


@app.command()
@asks_api
def drop(
    call: Call,
    job_ids: Ids = None,
    reason: Reason = None,
    collection: Collection = None,
    every: All = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give dead letters up for good: their jobs count as failed."""
    chosen = Chosen.of(job_ids, reason, collection, every=every)
    with call.client() as client:
        if chosen.ids:
            dropped, errors = do_to_each(chosen.ids, partial(ids.dead_letter_id, client), client.drop)
            print(f"{len(dropped)} dropped")
            raise typer.Exit(status_of_all(errors, done=bool(dropped)))
        if not yes:
            _confirm(client, chosen)
        print(f"{client.drop_all(reason, collection)} dropped")


def _follow(client: Client, job_id: str) -> bool:
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
