"""``aegis search``: the passages that a question finds, without an answer made of them."""

import json
from typing import Annotated

import typer

from cli.client.client import result_of
from cli.client.connection import drop_none
from cli.commands.call import Call, shows_data
from cli.tables.views import Format, View

HITS = View(
    columns=(),
    fields=("document_id", "chunk_id", "score", "title", "page", "start", "end", "text"),
    none="Nothing was found.",
)


@shows_data
def search(
    call: Call,
    words: Annotated[list[str], typer.Argument(metavar="WORD", help="What is looked for.")],
    collection: Annotated[
        str | None, typer.Option(help="Collection; default: the API's COLLECTION_NAME.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Passages to retrieve.")] = None,
    top_n: Annotated[int | None, typer.Option("--top-n", "-n", min=1, help="Passages to show.")] = None,
    narrowed: Annotated[
        str | None, typer.Option("--filter", metavar="JSON", help='Such as \'{"lang": "en"}\'.')
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Past the caches.")] = False,
) -> None:
    """Passages, best first, each with its document and place. No model writes anything."""
    options = drop_none(collection=collection, top_k=top_k, top_n=top_n)
    if narrowed is not None:
        try:
            options["filter"] = json.loads(narrowed)
        except ValueError as error:
            raise typer.BadParameter(f"--filter: {narrowed!r} is no JSON: {error}") from error
    if fresh:
        options["cache"] = False
    with call.client() as client:
        job = client.wait_for_job(client.search(" ".join(words), **options)["job_id"])
    result = result_of(job, "the search")
    if call.form is Format.JSON:  # the whole result, else only its hits
        call.show_one(result, lambda _: ())
    elif call.for_people:
        from rich.console import Console  # noqa: PLC0415 - other formats do not need it

        from cli.commands.answers import show_source  # noqa: PLC0415 - as above

        console = Console(highlight=False)
        if not result["hits"]:
            print(HITS.none)
        for number, hit in enumerate(result["hits"], 1):
            show_source(console, {**hit, "n": number})
    else:
        call.show_rows(result["hits"], HITS)
