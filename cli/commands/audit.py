"""``aegis audit``: who changed what, from where, and with which result."""

from itertools import islice
from typing import Annotated

import typer

from cli.commands.call import Call, shows_data
from cli.tables.views import Column, Format, View
from cli.units import clock

ENTRIES = View(
    columns=(
        Column("at", lambda row: clock(row["at"]), lambda row: clock(row["at"])[len("2026-") :]),
        Column("key", lambda row: str(row["key"] or row["key_id"] or row.get("reason") or "–"), wraps=True),
        Column("call", lambda row: f"{row['method']} {row['path']}", wraps=True),
        Column("status", lambda row: str(row["status"] or "–"), right=True),
        Column("from", lambda row: str(row["address"]), wraps=True),
        Column("request", lambda row: str(row["request_id"]), lambda _: ""),
    ),
    fields=(
        "at", "kind", "key", "key_id", "role", "method", "path", "collection", "status", "address",
        "request_id", "job_id", "count", "reason", "origin",
    ),
    none="There are no such entries.",
)  # fmt: skip


@shows_data
def audit(
    call: Call,
    kind: Annotated[str, typer.Option(help="writes, questions or refusals.")] = "writes",
    key: Annotated[str | None, typer.Option(help="Those of one key, by its name or id.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
) -> None:
    """The latest entries of the audit log, newest first. Takes an admin's key for all collections.

    Here --json means JSON lines, one entry each.
    """
    form = Format.JSONL if call.form is Format.JSON and call.by_json else call.form
    with call.client() as client:
        Call(form=form).show_rows(islice(client.audit(kind=kind, key=key), limit), ENTRIES)
