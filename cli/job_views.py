"""Jobs on the terminal: a list's columns, and one job's page."""

import json
from collections.abc import Iterator
from typing import Any

from cli.figures import age, clock, size
from cli.views import Column, Row, View

COLOURS = {"succeeded": "green", "failed": "red", "dead": "red", "running": "cyan", "cancelled": "yellow"}

IN_BYTES = frozenset({"backup", "verify", "rehearse", "restore", "prune"})
"""Kinds whose progress is in bytes: ABOUT_BACKUPS of ``rag.model``, which takes long to load."""

SHORT_ID = len("01990a6e-3c1f")
"""Characters of an id that mostly name one job alone: its time, to a millisecond."""


def subject(row: Row) -> str:
    """What a job is about, as whoever submitted it would say; nothing where the API does not tell."""
    return str((row.get("subject") or {}).get("name") or "")


def progress(row: Row) -> str:
    done, total = row["progress"]["done"], row["progress"]["total"]
    if not total:
        return ""
    if row["kind"] in IN_BYTES:
        return f"{size(done)} of {size(total)}"
    return f"{done}/{total}"


def _share(row: Row) -> str:
    done, total = row["progress"]["done"], row["progress"]["total"]
    return f"{done / total:.0%}" if total else ""


def _reason(row: Row) -> str:
    return str((row["error"] or {}).get("detail") or "")


def _about(row: Row) -> str:
    return ": ".join(filter(None, (subject(row), _reason(row))))


def _colour(row: Row) -> str:
    return COLOURS.get(row["state"], "")


JOBS = View(
    columns=(
        Column("id", lambda row: str(row["id"]), begins=SHORT_ID),
        Column("kind", lambda row: str(row["kind"])),
        Column("state", lambda row: str(row["state"]), style=_colour),
        Column("stage", lambda row: str(row["stage"])),
        Column("progress", progress, _share, "done", right=True),
        Column("created", lambda row: clock(row["created_at"]), lambda row: age(row["created_at"]), "age"),
        Column("about", _about, wraps=True),
    ),
    fields=(
        "id", "kind", "state", "stage", "progress.done", "progress.total", "queue_position", "attempts",
        "created_at", "started_at", "finished_at", "subject", "error.type", "error.detail",
    ),
    none="There are no such jobs.",
)  # fmt: skip


def job_page(row: Row) -> Iterator[tuple[str, str]]:
    """What is known of one job, its result last."""
    yield "id", str(row["id"])
    yield "kind", str(row["kind"])
    yield "about", subject(row)
    yield "state", str(row["state"])
    yield "stage", f"{row['stage']}, attempt {row['attempts']}" if row["attempts"] else str(row["stage"])
    yield "progress", progress(row)
    place = row["queue_position"]
    yield "place", f"{place} in the queue" if place else ""
    yield "created", f"{clock(row['created_at'])}, {age(row['created_at'])} ago"
    yield "started", clock(row["started_at"]) if row["started_at"] else ""
    yield "finished", clock(row["finished_at"]) if row["finished_at"] else ""
    yield "error", _reason(row)
    yield "trace", str(row.get("trace_id") or "")
    yield from _result(row["result"] or {})


def _result(result: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Of an answer its text and how many sources it has; of others each value."""
    for name, value in result.items():
        if name in ("citations", "hits"):
            yield name, str(len(value))
        else:
            yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
