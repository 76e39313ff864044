"""``aegis dlq``: dead letters, which are jobs that failed for good.

Exit status 0 when everything was done, 1 when some of it was not, 2 for options that
contradict each other; when nothing was done, that of the reason.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from cli.client.client import Client
from cli.commands import ids
from cli.commands.batch import apply_to_each, on_a_terminal
from cli.commands.call import Call, asks_api, shows_data
from cli.shell.exits import status_of_all
from cli.shell.groups import group
from cli.tables.jobs import SHORT_ID, subject
from cli.tables.views import Column, Row, View
from cli.units import age, clock
from rag.system.printable import one_line

app = group(
    "List, show, replay and drop dead letters: the jobs that were given up.",
    no_args_is_help=True,
)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Whole, or beginnings.")]
Reason = Annotated[str | None, typer.Option(help="Those of this reason, such as unavailable or crashed.")]
Collection = Annotated[str | None, typer.Option(help="Those of this collection.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]

DEAD_LETTERS = View(
    columns=(
        Column("id", lambda row: str(row["id"]), begins=SHORT_ID),
        Column("died", lambda row: f"{age(row['died_at'])} ago"),
        Column("reason", lambda row: str(row["reason"] or ""), style=lambda _: "red"),
        Column("stage", lambda row: str(row["stage"])),
        Column("what", subject, wraps=True),
    ),
    fields=(
        "id", "kind", "collection", "document_id", "stage", "reason", "error.detail", "attempts", "retries",
        "created_at", "died_at", "subject.name", "inputs",
    ),
    none="There are no dead letters.",
)  # fmt: skip


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

    def find(self, client: Client) -> tuple[str, ...]:
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
        replayed, errors = apply_to_each(
            chosen.find(client), partial(ids.dead_letter_id, client), client.replay
        )
        print(f"{len(replayed)} replayed")
        failed = False
        for job_id in replayed if wait else ():
            job = client.wait_for_job(job_id)
            detail = (job["error"] or {}).get("detail")
            print(one_line(f"{job_id} {job['state']}{f': {detail}' if detail else ''}"))
            failed = failed or job["state"] != "succeeded"
    raise typer.Exit(status_of_all(errors, done=bool(replayed)) or failed)


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
            dropped, errors = apply_to_each(chosen.ids, partial(ids.dead_letter_id, client), client.drop)
            print(f"{len(dropped)} dropped")
            raise typer.Exit(status_of_all(errors, done=bool(dropped)))
        if not yes:
            if not on_a_terminal():
                raise typer.BadParameter("dropping many at once needs --yes where nobody can be asked")
            if count := len(chosen.find(client)):
                typer.confirm(f"Drop {count} dead letters for good?", abort=True)
        print(f"{client.drop_all(reason, collection)} dropped")


def dead_letter_page(row: Row) -> Iterator[tuple[str, str]]:
    """Everything about one dead letter, a line a fact."""
    place = f"collection {row['collection']}" if row["collection"] else "all collections"
    yield "id", str(row["id"])
    yield "what", f"{row['kind']} in {place}"
    yield "document", str(row["document_id"] or "")
    for name, value in row["inputs"].items():
        if value not in (None, {}):
            yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    yield "accepted", clock(row["created_at"])
    yield "died", f"{clock(row['died_at'])}, {age(row['died_at'])} ago, at stage {row['stage']}"
    yield "attempts", f"{row['attempts']} at that stage, {row['retries']} retries in all"
    yield "reason", str(row["reason"] or "")
    error = row["error"] or {}
    yield "error", str(error.get("detail") or error.get("title") or "")
