"""``aegis collections``: list, show, create and delete collections."""

from collections.abc import Iterator
from typing import Annotated

import typer

from cli.commands import ids
from cli.commands.batch import require_consent
from cli.commands.call import Call, asks_api, shows_data
from cli.shell.groups import ListByDefault, group
from cli.tables.views import Column, Row, View
from cli.units import age, clock, many
from rag.system.printable import one_line

app = group("List, show, create and delete collections. Without a command: list them.", cls=ListByDefault)

COLLECTIONS = View(
    columns=(
        Column("name", lambda row: str(row["name"]), wraps=True),
        Column("documents", lambda row: f"{row['documents']:,}", right=True),
        Column("chunks", lambda row: f"{row['chunks']:,}", right=True),
        Column("model", lambda row: str(row["embedding_model"]), wraps=True),
        Column("dimension", lambda row: str(row["dimension"]), right=True),
        Column("created", lambda row: clock(row["created_at"]), lambda row: age(row["created_at"]), "age"),
    ),
    fields=("name", "documents", "chunks", "embedding_model", "dimension", "created_at"),
    none="There are no collections.",
)


@app.command("list")
@shows_data
def list_collections(call: Call) -> None:
    """The collections that the key reaches, by name."""
    with call.client() as client:
        call.show_rows(client.collections(), COLLECTIONS)


@app.command()
@shows_data
def show(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whole, or a beginning of one alone.")],
) -> None:
    """One collection: its documents, and the models that it is searched by."""
    with call.client() as client:
        call.show_one(client.collection(ids.collection_name(client, name)), collection_page)


@app.command()
@shows_data
def create(call: Call, name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Make a collection. One that is there stays as it is."""
    with call.client() as client:
        call.show_one(client.make_collection(name), collection_page)


@app.command()
@asks_api
def delete(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="In full.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a collection with all of its documents. No search finds any of them from then on."""
    with call.client() as client:
        found = client.collection(name)
        require_consent(f"Delete {found['name']} with {many(found['documents'], 'document')}?", yes=yes)
        client.delete_collection(found["name"])
    print(one_line(f"{found['name']} deleted"))


def collection_page(row: Row) -> Iterator[tuple[str, str]]:
    yield "name", str(row["name"])
    yield "documents", f"{row['documents']:,}"
    yield "chunks", f"{row['chunks']:,}"
    yield "created", f"{clock(row['created_at'])}, {age(row['created_at'])} ago"
    for layout in row["layouts"]:
        yield str(layout["state"]), f"{layout['embedding_model']} ({layout['dimension']} dimensions)"
