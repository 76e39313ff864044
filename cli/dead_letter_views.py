"""Dead letters on the terminal: a list's columns, and one letter's page."""

import json
from collections.abc import Iterator

from cli.figures import age, clock
from cli.job_views import SHORT_ID, subject
from cli.views import Column, Row, View


def _place(row: Row) -> str:
    return f"collection {row['collection']}" if row["collection"] else "all collections"


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


def dead_letter_page(row: Row) -> Iterator[tuple[str, str]]:
    """Everything about one dead letter, a line a fact."""
    yield "id", str(row["id"])
    yield "what", f"{row['kind']} in {_place(row)}"
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
