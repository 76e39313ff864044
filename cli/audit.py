"""``aegis audit``: who changed what, from where, and how it ended."""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.client import client_of
from cli.figures import clock
from rag.model import Json
from rag.settings import load


def audit(
    kind: Annotated[str, typer.Option(help="writes, questions or refusals.")] = "writes",
    key: Annotated[str | None, typer.Option(help="Those of one key, by its name or id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one entry a line.")] = False,
    url: Annotated[
        str | None, typer.Option(help="Address of the API; default: the stack on this machine.")
    ] = None,
) -> None:
    """The latest entries of the audit log, newest first. Takes an admin's key for all collections."""
    with client_of(load(), url) as client:
        entries = list(islice(client.audit(kind=kind, key=key), limit))
    if as_json:
        for entry in entries:
            print(json.dumps(entry, ensure_ascii=False))
    else:
        Console(highlight=False).print(audit_table(entries) if entries else f"There are no {kind}.")


def audit_table(entries: Iterable[Json]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in ("at", "key", "call", "status", "from", "request"):
        table.add_column(column, no_wrap=column in ("at", "from"), overflow="fold")
    for entry in entries:
        table.add_row(
            clock(entry["at"]),
            escape(entry["key"] or entry["key_id"] or entry["reason"] or "–"),
            escape(f"{entry['method']} {entry['path']}"),
            str(entry["status"] or "–"),
            escape(entry["address"]),
            escape(entry["request_id"]),
        )
    return table
