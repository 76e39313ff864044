"""``aegis reindex``: change a collection's embedding model, take the change back, or make it final."""

from typing import Annotated

import typer

from cli.commands.call import Call, shows_data
from cli.commands.collections import collection_page
from cli.commands.follow import show_end
from cli.tables.printing import shown
from cli.units import many
from rag.web.jsontypes import Json


@shows_data
def reindex(
    call: Call,
    model: Annotated[
        str | None,
        typer.Option(
            help="all-MiniLM-L6-v2, multilingual-e5-small, ollama:NAME, or one of JINA_BASE_URL; "
            "default: EMBEDDING_MODEL."
        ),
    ] = None,
    collection: Annotated[str | None, typer.Option(help="Collection; default: COLLECTION_NAME.")] = None,
    dimension: Annotated[int | None, typer.Option(help="Of its vectors; default: VECTOR_SIZE.")] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="By how much recall may fall; default: 0.05.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Switch however much it falls.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Take the last change back.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="Drop the vectors that do not serve.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end; Ctrl-C leaves it running.")] = True,
) -> None:
    """Embed a collection anew by another model, and switch to it, while both serve."""
    if rollback + finish + bool(model or dimension or tolerance is not None or force) > 1:
        raise typer.BadParameter("--rollback and --finish go with --collection alone")
    with call.client() as client:
        name = collection
        if name is None:  # the path of the call must name the collection
            from rag.settings import load  # noqa: PLC0415 - loads for half a second

            name = load().collection_name
        if rollback or finish:
            changed = client.roll_back(name) if rollback else client.finish(name)
            call.show_one(changed, collection_page)
            return
        options = {"model": model, "dimension": dimension, "tolerance": tolerance, "force": force}
        show_end(call, client, client.reindex(name, **options), summary, wait=wait)


def summary(result: Json) -> str:
    """What was done, and how the two models compare."""
    name, model = shown(result["collection"]), shown(result["embedding_model"])
    head = (
        f"[bold]{name}[/] is searched by [bold]{model}[/] ({result['dimension']} dimensions): "
        f"{many(result['documents'], 'document')}, {many(result['chunks'], 'chunk')}"
    )
    if result.get("recall_after") is None:
        return head
    return (
        f"{head}\nof {result['sentences']} sampled sentences the passage is among the first ten for "
        f"{result['recall_after']:.0%} (before: {result['recall_before']:.0%}), "
        f"MRR {result['mrr_after']:.3f} (before: {result['mrr_before']:.3f}); "
        f"{result['overlap']:.0%} of the hits are the same\n"
        "[dim]aegis reindex --rollback takes it back, aegis reindex --finish drops the former vectors[/]"
    )
