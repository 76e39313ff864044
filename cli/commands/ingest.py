"""``aegis ingest``: sends documents, and prints a summary with the reason for each failure."""

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from platformdirs import user_state_path
from rich.console import Console

from cli.commands.call import Call, shows_data
from cli.ingestion.display import Display, Tally
from cli.ingestion.ingestion import Ingestion, Plan
from cli.ingestion.journal import Journal
from cli.ingestion.sources import Omitted, Source, read_standard_input
from cli.ingestion.summary import DOCUMENTS, explain_error, rows_of, say, show_summary, status_of
from cli.ingestion.walk import sources
from cli.shell.exits import INTERRUPTED
from cli.units import many
from rag.errors import AegisError

_STANDARD_INPUT = "-"


@shows_data
def ingest(
    call: Call,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT",
            help="Files, folders, 'patterns/**/*.md', addresses (https://…), - for standard input.",
        ),
    ],
    collection: Annotated[str | None, typer.Option(help="Collection; default: COLLECTION_NAME.")] = None,
    wait: Annotated[bool, typer.Option(help="Follow each document until it is searchable.")] = True,
    name: Annotated[str | None, typer.Option(help="Of standard input, and its document's id.")] = None,
    media_type: Annotated[
        str | None, typer.Option("--type", help="Of standard input, such as md or text/html.")
    ] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Hidden files and folders too.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Send also what is there already.")] = False,
) -> None:
    """Ingest files, folders, addresses or standard input.

    A document's id is its path below the folder that was named: the same command again sends what has
    changed. Of folders and patterns everything is taken that the API reads. Exit status: 0 when all
    documents are in, 1 when some failed, 6 when none is in, 130 after Ctrl-C.
    """
    found, omitted = _find_sources(what, hidden=hidden, name=name, media_type=media_type)
    errors, plan = Console(stderr=True), Plan(collection, wait=wait, again=again)
    tally = Tally(len(found), sum(source.size for source in found))
    ended_by: AegisError | KeyboardInterrupt | None = None
    with call.client() as client, Display(errors, tally) as display:
        client.delayed = display.delay
        ingestion = Ingestion(client, plan, journal=_journal(display, client.url, plan), watcher=display)
        for one in omitted:
            ingestion.fail(one)
        try:
            ingestion.run(found)
        except (AegisError, KeyboardInterrupt) as error:
            ended_by = error
    if not call.for_people:
        call.show_rows(rows_of(ingestion.outcomes, omitted), DOCUMENTS)
    elif ingestion.outcomes or ended_by is None:
        show_summary(Console(), ingestion.outcomes, omitted, waited=wait)
    if ended_by is not None:
        _show_rest(errors, ingestion, call, repeatable=_STANDARD_INPUT not in what)
    if isinstance(ended_by, AegisError):
        raise type(ended_by)(explain_error(ended_by)) from ended_by
    raise typer.Exit(INTERRUPTED if ended_by else status_of(ingestion.outcomes))


def _find_sources(
    what: Sequence[str], *, hidden: bool, name: str | None, media_type: str | None
) -> tuple[list[Source], list[Omitted]]:
    """What is to be sent, and what is not. BadParameter for options that do not fit."""
    if what.count(_STANDARD_INPUT) > 1:
        raise typer.BadParameter("- is there twice, and standard input can be read once")
    if (name or media_type) and _STANDARD_INPUT not in what:
        raise typer.BadParameter("--name and --type are about standard input: they go with -")
    found: list[Source] = []
    omitted: list[Omitted] = []
    with Console(stderr=True).status("looking for documents"):
        for one in sources((each for each in what if each != _STANDARD_INPUT), hidden=hidden):
            omitted.append(one) if isinstance(one, Omitted) else found.append(one)
    if _STANDARD_INPUT in what:
        if sys.stdin.isatty():
            print("reading from this terminal; Ctrl-D ends the document", file=sys.stderr)
        one = read_standard_input(sys.stdin.buffer, name, media_type)
        omitted.append(one) if isinstance(one, Omitted) else found.append(one)
    return found, omitted


def _journal(display: Display, url: str, plan: Plan) -> Journal:
    """An empty journal that is not saved, when this user has no folder to write to."""
    try:
        folder = user_state_path("aegis-rag", appauthor=False) / "ingested"
        return Journal.at(folder, url, plan.collection)
    except (OSError, AegisError, RuntimeError) as error:
        display.say(f"· what is sent now is not recorded: {error}", "yellow")
        return Journal.none()


def _show_rest(console: Console, ingestion: Ingestion, call: Call, *, repeatable: bool) -> None:
    """What goes on at the API, how to watch it, and how to continue."""
    if ingestion.going_on:
        count = many(ingestion.going_on, "document")
        say(console, f"{count} that the API has accepted will be finished all the same. To watch:")
        options = {"--url": call.url, "--profile": call.profile}
        same_api = [f" {option} {shlex.quote(value)}" for option, value in options.items() if value]
        say(console, f"  aegis jobs watch{''.join(same_api)}")
    if repeatable and (ingestion.going_on or any(one.reason is None for one in ingestion.outcomes)):
        say(console, "The same command again goes on from here, and sends nothing twice.")
