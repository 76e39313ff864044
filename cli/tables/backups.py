"""Backups on the terminal: which there are, what one has, and what jobs about them have done."""

from collections.abc import Iterable, Iterator

from cli.tables.jobs import SHORT_ID
from cli.tables.printing import shown
from cli.tables.views import Column, Row, View
from cli.units import age, clock, duration, many, size
from rag.web.jsontypes import Json

_KINDS = {"backup": "backup", "verify": "verification", "rehearse": "rehearsal", "prune": "prune"}


BACKUPS = View(
    columns=(
        Column("id", lambda row: str(row["id"]), begins=SHORT_ID),
        Column("begun", lambda row: clock(row["began_at"])[: len("2026-11-23 20:15")]),
        Column("documents", lambda row: f"{row['documents']:,}", right=True),
        Column("points", lambda row: f"{row['points']:,}", right=True),
        Column("size", lambda row: size(row["bytes"]), right=True),
    ),
    fields=(
        "id", "began_at", "finished_at", "mode", "trigger", "documents", "points", "bytes", "objects",
        "encrypted", "missing", "error.detail",
    ),
    none="There are no backups that can be used.",
)  # fmt: skip
"""Damaged ones are in no table: :func:`faults` tells of them."""


def faults(backups: Iterable[Json]) -> Iterator[str]:
    """What cannot be used, and what of the others is missing, a line each."""
    for backup in backups:
        if "error" in backup:
            yield f"[red]✗ {shown(backup['id'])}[/] {shown(backup['error']['detail'])}"
        elif backup["missing"]:
            yield f"[yellow]· {shown(backup['id'])}[/] lacks {shown('; '.join(backup['missing']))}"


def backup_page(backup: Row) -> Iterator[tuple[str, str]]:
    """Everything about one backup but the settings that made it, a line a fact."""
    yield "id", backup["id"]
    yield "begun", f"{clock(backup['began_at'])}, {age(backup['began_at'])} ago"
    yield "finished", clock(backup["finished_at"])
    yield "mode", f"{backup['mode']}, by {backup['trigger']}"
    yield (
        "made by",
        f"Aegis {backup['application']} on {backup['engine']['kind']} {backup['engine']['version']}",
    )
    yield "encrypted", "yes" if backup["encrypted"] else "no"
    yield "sources", backup["sources"]
    yield "size", f"{size(backup['bytes'])} in {many(backup['objects'], 'object')}"
    for each in backup["collections"]:
        late = f", and {many(each['late'], 'document')} published meanwhile" if each["late"] else ""
        held = f"{many(each['documents'], 'document')}, {many(each['points'], 'point')}{late}"
        yield (
            each["name"],
            f"{held}; {each['embedding_model']} ({each['dimension']}); digest {each['digest']}",
        )
    for line in backup["missing"]:
        yield "missing", line


def status_lines(status: Json) -> Iterator[str]:
    """How the last job of each kind ended."""
    for kind, name in _KINDS.items():
        last, good = status[kind]["last"], status[kind]["last_good"]
        if last is None:
            yield f"[dim]· no {name} yet[/]"
        elif last["ok"]:
            yield f"[green]✓[/] last {name} {age(last['at'])} ago, in {duration(last['seconds'])}"
        else:
            since = f"; the last good one was {age(good['at'])} ago" if good else "; none succeeded yet"
            error = shown(last["error"] or "")
            yield f"[red]✗[/] last {name} {age(last['at'])} ago failed: {error}{since}"


def made(result: Json) -> str:
    """What a backup has saved."""
    head = (
        f"backup [bold]{shown(result['backup'])}[/]: {many(result['documents'], 'document')} and "
        f"{many(result['points'], 'point')}, {size(result['bytes'])}, of which {size(result['sent'])} were "
        f"sent, in {duration(result['seconds'])}"
    )
    return "\n".join([head, *_missing(result)])


def verified(result: Json) -> str:
    return (
        f"backup [bold]{shown(result['backup'])}[/] is whole: {many(result['objects'], 'object')} with "
        f"{size(result['bytes'])} were read again in {duration(result['seconds'])}"
    )


def rehearsed(result: Json) -> str:
    """How what was restored for a try compares with what was saved."""
    return (
        f"backup [bold]{shown(result['backup'])}[/] can be restored: "
        f"{many(result['documents'], 'document')} and {many(result['points'], 'point')} as they were saved, "
        f"{result['overlap']:.0%} of the hits of "
        f"{many(result['golden'], 'golden query').replace('querys', 'queries')} found again, in "
        f"{duration(result['seconds'])}"
    )


def pruned(result: Json) -> str:
    locked = f"; {many(result['locked'], 'object')} are locked and stay" if result["locked"] else ""
    return (
        f"{many(result['removed'], 'backup')} removed, {many(result['kept'], 'backup')} kept: "
        f"{many(result['objects'], 'object')} with {size(result['bytes'])} are gone{locked}"
    )


def restored(result: Json) -> str:
    """What came back, what was done again, and what could not be."""
    lines = []
    for each in result["collections"]:
        held = f"{many(each['documents'], 'document')} and {many(each['points'], 'point')}"
        lines.append(f"[bold]{shown(each['into'] or each['name'])}[/]: {held}")
    if result["jobs"] or result["dead_letters"]:
        letters = many(result["dead_letters"], "dead letter")
        lines.append(f"{many(result['jobs'], 'job record')} and {letters} that were missing are back")
    if result.get("keys"):
        keys = many(result["keys"], "key")
        lines.append(f"{keys} are back, suspended: `aegis keys list`, then activate or revoke")
    if result["reingested"]:
        documents = many(result["reingested"], "document")
        lines.append(f"{documents} without all of their points are ingested again")
    lines.append(f"{many(result['replayed'], 'job')} replayed that were accepted after the backup")
    lines += [f"[yellow]not replayed:[/] {shown(line)}" for line in result["not_replayed"]]
    lines += [
        f"[yellow]back, though deleted after the backup:[/] {shown(each)}" for each in result["undeleted"]
    ]
    return "\n".join([*lines, *_missing(result), f"restored in {duration(result['seconds'])}"])


def _missing(result: Json) -> Iterator[str]:
    for line in result["missing"]:
        yield f"[yellow]missing:[/] {shown(line)}"
