"""An installation's load on the terminal: jobs, lanes, what the API needs, and workers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from cli.client.load import Load
from cli.tables.jobs import SHORT_ID
from cli.tables.tables import table_of
from cli.tables.views import Column, Row, View
from cli.units import duration, many
from rag.system.printable import one_line
from rag.web.jsontypes import Json


def _count(name: str, brief: str | None = None) -> Column:
    """A column of numbers under the API's name."""
    return Column(name, lambda row: f"{row[name]:,}", None, brief, right=True)


def _rate(rate: float | None) -> str:
    """Per second, "" where it is not known."""
    if rate is None:
        return ""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"


def _wait(row: Row) -> str:
    return duration(row["oldest_wait_seconds"]) if row["ready"] else ""


def _lane_style(row: Row) -> str:
    """A lane whose jobs nobody takes is red; one that works is cyan."""
    if not row["workers"]:
        return "red"
    return "cyan" if row["running"] else ""


LANES = View(
    columns=(
        Column("lane", lambda row: str(row["lane"]), style=_lane_style),
        _count("ready"),
        _count("resting", "rest"),
        _count("running", "run"),
        Column("oldest wait", _wait, None, "wait", right=True),
        Column("per second", lambda row: _rate(row["rate"]), None, "/s", right=True),
        Column("workers", lambda row: str(row["workers"]), None, "wrk", style=_lane_style, right=True),
    ),
    fields=("lane", "ready", "resting", "running", "oldest_wait_seconds", "rate", "workers"),
    none="There are no lanes.",
)


def _task(row: Row, length: int | None = None) -> str:
    """What a worker does: the stage and job of its delivery, and for how long."""
    if row["error"]:
        return f"hangs: {row['error']}"
    if row["busy_seconds"] is None:
        return f"idle for {duration(row['idle_seconds'])}"
    job, _, rest = str(row["task"]).partition(".")
    stage = rest.partition(".")[0]
    busy = duration(row["busy_seconds"])
    # It works other jobs too: the oldest that are due. Scheduled work has a task id without a stage.
    return f"{stage} for {busy}, begun for job {job[:length]}" if stage else f"task {job} for {busy}"


def _worker_style(row: Row) -> str:
    if row["error"]:
        return "red"
    return "dim" if row["busy_seconds"] is None else ""


WORKERS = View(
    columns=(
        Column("lane", lambda row: str(row["lane"])),
        Column("host", lambda row: str(row["host"])),
        Column("pid", lambda row: str(row["pid"]), right=True),
        Column("seen", lambda row: f"{duration(row['age_seconds'])} ago", None, "seen", right=True),
        Column("does", _task, lambda row: _task(row, SHORT_ID), style=_worker_style, wraps=True),
    ),
    fields=("lane", "host", "pid", "age_seconds", "idle_seconds", "busy_seconds", "task", "error"),
    none="No worker shows a sign of life.",
)


_NARROW = 60
"""Characters of a line below which tables have only the columns of these names."""
_LANES_NARROW = ("lane", "ready", "running", "oldest wait", "per second")
_PARTS_NARROW = ("part", "state")
_WORKERS_NARROW = ("lane", "does")


def render(load: Load, parts: View, about: str, width: int) -> Group:
    """The whole picture, ``width`` characters wide.

    ``about``: its first line; ``parts``: shows components.
    """
    return Group(*_blocks(load, parts, about, width))


def _blocks(load: Load, parts: View, about: str, width: int) -> Iterator[RenderableType]:
    yield Text(one_line(about), style="bold", no_wrap=True, overflow="ellipsis")
    if load.error:
        yield Text(one_line(f"No answer for {duration(load.silence)}: {load.error}"), style="red")
    if load.lanes:
        yield Text(_jobs_line(load))
        yield from _table(_with_rates(load), LANES, _LANES_NARROW, width)
    lanes = {each["lane"] for each in load.lanes.get("lanes", ())}
    rows = [
        {"part": name, "detail": {}, **part} for name, part in load.components.items() if name not in lanes
    ]
    yield from _table(rows, parts, _PARTS_NARROW, width)
    workers = load.lanes.get("workers")
    if workers is not None:  # the key may see them
        yield from _table(workers, WORKERS, _WORKERS_NARROW, width)


def _table(
    rows: Sequence[Row], view: View, in_brief: Collection[str], width: int
) -> Iterator[RenderableType]:
    """An empty line and the table; on a narrow terminal only with the columns ``in_brief``."""
    if width < _NARROW:
        view = replace(view, columns=tuple(each for each in view.columns if each.name in in_brief))
    yield ""
    yield table_of(rows, view, width) if rows else Text(view.none)


def _with_rates(load: Load) -> list[Json]:
    return [{**lane, "rate": load.rates.get(("lane", lane["lane"]))} for lane in load.lanes["lanes"]]


def _jobs_line(load: Load) -> str:
    """Open jobs by kind, how fast jobs end, and dead letters."""
    kinds = {kind: count for kind, count in load.lanes["open"].items() if count}
    named = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    facts = [f"{many(sum(kinds.values()), 'open job')}{f' ({named})' if named else ''}"]
    rates = {state: load.rates.get(("jobs", state)) for state in ("succeeded", "failed", "dead")}
    known = {state: rate for state, rate in rates.items() if rate is not None}
    facts += [f"{_rate(rate)}/s {state}" for state, rate in known.items() if rate or state == "succeeded"]
    facts.append(many(sum(load.lanes.get("dead_letters", {}).values()), "dead letter"))
    at = datetime.fromisoformat(load.lanes["read_at"]).astimezone()
    return one_line(f"{at:%H:%M:%S}  {' · '.join(facts)}")
