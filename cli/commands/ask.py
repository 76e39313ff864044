"""``aegis ask``: a question, its answer as it is written, and the answer's sources."""

import sys
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from cli.commands.answers import follow_answer, show_as_it_comes
from cli.commands.call import Call, shows_data
from cli.shell.exits import INTERRUPTED
from rag.errors import AegisError

_STANDARD_INPUT = "-"
_MOST_BYTES = 64 << 10


@shows_data
def ask(
    call: Call,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="QUESTION", help="Its words, quoted or not; -: from standard input."),
    ] = None,
    collection: Annotated[str | None, typer.Option(help="Collection; default: COLLECTION_NAME.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Passages to retrieve.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Past the caches.")] = False,
) -> None:
    """Ask a question; the answer is shown as it is written, then its sources.

    Ctrl-C cancels the question. A question may come through a pipe: echo "Why?" | aegis ask
    """
    if words == [_STANDARD_INPUT] or not (words or sys.stdin.isatty()):
        question = sys.stdin.buffer.read(_MOST_BYTES).decode("utf-8", "replace").strip()
    else:
        given = " ".join(words or [])
        question = given.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
    if not question:
        raise typer.BadParameter("there is no question: aegis ask why is the sky blue")
    with call.client() as client:
        job_id = client.ask(question, collection, top_k, fresh=fresh)["job_id"]
        try:
            if call.for_people:
                show_as_it_comes(Console(highlight=False), client, job_id)
            else:
                call.show_one(follow_answer(client, job_id, lambda _piece: None), lambda _: ())
        except KeyboardInterrupt:
            client.stop()
            with suppress(AegisError, KeyboardInterrupt):  # if the API cannot be told, it answers in vain
                client.cancel(job_id)
            print("\ncancelled", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
