"""``aegis documents``: list, show and delete documents."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from cli.commands import ids
from cli.commands.batch import apply_to_each, require_consent
from cli.commands.call import Call, asks_api, shows_data
from cli.shell.exits import status_of_all
from cli.shell.groups import ListByDefault, group
from cli.tables.views import Column, Row, View
from cli.units import age, clock, many
from rag.system.printable import one_line

app = group("List, show and delete documents. Without a command: list them.", cls=ListByDefault)

Collection = Annotated[str | None, typer.Option(help="Collection; default: the API's COLLECTION_NAME.")]

DOCUMENTS = View(
    columns=(
        Column("id", lambda row: str(row["document_id"]), wraps=True),
        Column("title", lambda row: str(row["title"]), wraps=True),
        Column("type", lambda row: str(row["media_type"]),
            lambda row: row["media_type"].replace("/", ".").rpartition(".")[2]),
        Column("version", lambda row: str(row["version"]), right=True),
        Column("chunks", lambda row: str(row["chunks"]), right=True),
        Column("updated", lambda row: clock(row["updated_at"]), lambda row: age(row["updated_at"]), "age"),
    ),
    fields=(
        "document_id", "collection", "title", "media_type", "version", "chunks", "tokens", "metadata",
        "created_at", "updated_at",
    ),
    none="There are no documents.",
)  # fmt: skip


@app.command("list")
@shows_data
def list_documents(call: Call, collection: Collection = None) -> None:
    """The documents of a collection, by id."""
    with call.client() as client:
        call.show_rows(client.documents(collection), DOCUMENTS)


@app.command()
@shows_data
def show(
    call: Call,
    document_id: Annotated[str, typer.Argument(metavar="ID", help="Whole, or a beginning of one alone.")],
    collection: Collection = None,
) -> None:
    """One document, as searches see it now."""
    with call.client() as client:
        found = client.document(ids.document_id(client, document_id, collection), collection)
        call.show_one(found, document_page)


@app.command()
@asks_api
def delete(
    call: Call,
    document_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Whole, or beginnings.")],
    collection: Collection = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask about beginnings.")] = False,
) -> None:
    """Delete documents. No search finds them from then on."""
    with call.client() as client:

        def choose(given: str) -> str:
            whole = ids.document_id(client, given, collection)
            require_consent(f"Delete {whole}?", yes=yes or whole == given)
            return whole

        deleted, errors = apply_to_each(
            document_ids, choose, lambda each: client.delete_document(each, collection)
        )
    for each in deleted:
        print(one_line(f"{each} deleted"))
    raise typer.Exit(status_of_all(errors, done=bool(deleted)))


def document_page(row: Row) -> Iterator[tuple[str, str]]:
    yield "id", str(row["document_id"])
    yield "collection", str(row["collection"])
    yield "title", str(row["title"])
    yield "type", str(row["media_type"])
    yield "version", str(row["version"])
    yield "size", f"{many(row['chunks'], 'chunk')}, {many(row['tokens'], 'token')}"
    yield "created", f"{clock(row['created_at'])}, {age(row['created_at'])} ago"
    yield "updated", f"{clock(row['updated_at'])}, {age(row['updated_at'])} ago"
    yield "attached to", str(row.get("parent") or "")
    for attachment in row.get("attachments", ()):
        yield "attachment", str(attachment)
    for warning in row.get("warnings", ()):
        yield "warning", str(warning["text"])
    for name, value in row["metadata"].items():
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
