"""Jobs on the terminal: a list's columns, and one job's page."""

import json
from collections.abc import Iterator, Sequence

from cli.tables.views import Column, Row, View
from cli.units import age, clock, many, size

COLOURS = {"succeeded": "green", "failed": "red", "dead": "red", "running": "cyan", "cancelled": "yellow"}

IN_BYTES = frozenset({"backup", "verify", "rehearse", "restore", "prune"})
"""Kinds whose progress is in bytes. The same as ABOUT_BACKUPS in ``rag.model``, which loads slowly."""

SHORT_ID = len("01990a6e-3c1f")
"""Characters of an id that usually name one job: its time, to a millisecond."""


def subject(row: Row) -> str:
    """What a job is about, such as a file's name; "" where the API does not tell."""
    return str((row.get("subject") or {}).get("name") or "")


def progress(row: Row, *, share: bool = False) -> str:
    """How much is done of how much; with ``share`` in per cent. "" while the total is not known."""
    done, total = row["progress"]["done"], row["progress"]["total"]
    if not total:
        return ""
    if share:
        return f"{done / total:.0%}"
    return f"{size(done)} of {size(total)}" if row["kind"] in IN_BYTES else f"{done}/{total}"


def _reason(row: Row) -> str:
    return str((row["error"] or {}).get("detail") or "")


JOBS = View(
    columns=(
        Column("id", lambda row: str(row["id"]), begins=SHORT_ID),
        Column("kind", lambda row: str(row["kind"])),
        Column("state", lambda row: str(row["state"]), style=lambda row: COLOURS.get(row["state"], "")),
        Column("stage", lambda row: str(row["stage"])),
        Column("progress", progress, lambda row: progress(row, share=True), "done", right=True),
        Column("created", lambda row: clock(row["created_at"]), lambda row: age(row["created_at"]), "age"),
        Column("about", lambda row: ": ".join(filter(None, (subject(row), _reason(row)))), wraps=True),
    ),
    fields=(
        "id", "kind", "state", "stage", "progress.done", "progress.total", "queue_position", "attempts",
        "created_at", "started_at", "finished_at", "subject", "error.type", "error.detail",
        "waiting_for.reason", "waiting_for.message",
    ),
    none="There are no such jobs.",
)  # fmt: skip

STUCK = View(
    columns=(
        Column("reason", lambda row: str(row["reason"])),
        Column("jobs", lambda row: str(row["count"]), right=True),
        Column("to do", lambda row: str(row["to_do"]), wraps=True),
    ),
    fields=("reason", "count", "to_do", "jobs"),
    none="No job waits longer than is usual.",
)


def stuck_page(groups: Sequence[Row]) -> Iterator[str]:
    """A paragraph for each reason: how many jobs wait, what to do, and those that wait longest."""
    if not groups:
        yield STUCK.none
    for group in groups:
        yield f"{group['reason']}: {many(group['count'], 'job')}. {group['to_do']}"
        for job in group["jobs"]:
            yield f"  {job['id']}  {job['kind']} at {job['stage']}, for {age(job['since'])}: {job['message']}"


def _wait(wait: Row | None) -> Iterator[tuple[str, str]]:
    """Why a job does not go on, and when it will as far as that is known."""
    if not wait:
        return
    yield "waits for", f"{wait['reason']}: {wait['message']}"
    yield "waits since", f"{clock(wait['since'])}, for {age(wait['since'])}"
    yield "until", clock(wait["until"]) if wait["until"] else ""
    error = wait["estimate_error"]
    if wait["starts_at"] and error:
        yield "starts", f"about {clock(wait['starts_at'])} (half of all estimates are within {error:.0%})"


def job_page(row: Row) -> Iterator[tuple[str, str]]:
    """What is known of one job, its result last. Of an answer's sources only their number."""
    yield "id", str(row["id"])
    yield "kind", str(row["kind"])
    yield "about", subject(row)
    yield "state", str(row["state"])
    yield "stage", f"{row['stage']}, attempt {row['attempts']}" if row["attempts"] else str(row["stage"])
    yield "progress", progress(row)
    place = row["queue_position"]
    yield "place", f"{place} in the queue" if place else ""
    yield from _wait(row.get("waiting_for"))
    yield "created", f"{clock(row['created_at'])}, {age(row['created_at'])} ago"
    yield "started", clock(row["started_at"]) if row["started_at"] else ""
    yield "finished", clock(row["finished_at"]) if row["finished_at"] else ""
    yield "error", _reason(row)
    yield "trace", str(row.get("trace_id") or "")
    for name, value in (row["result"] or {}).items():
        if name in ("citations", "hits"):
            yield name, str(len(value))
        elif name == "not_found":
            yield "not found", str(value["message"])
        elif name == "warnings":
            yield from (("warning", str(warning["text"])) for warning in value)
        else:
            yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
