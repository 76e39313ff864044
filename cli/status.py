"""``aegis status``: whether the API at an address, and each part behind it, is ready."""

from collections.abc import Iterator
from typing import Any

import typer

from cli.call import Call, shows_data
from cli.views import Column, Format, Row, View
from rag.printable import one_line


def _state(row: Row) -> str:
    if row["ready"]:
        return "ready"
    return "missing" if row["essential"] else "missing, others run without"


def _colour(row: Row) -> str:
    if row["ready"]:
        return "green"
    return "red" if row["essential"] else "yellow"


def _detail(detail: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {round(value, 1) if isinstance(value, float) else value}"
        for name, value in detail.items()
        if not isinstance(value, dict | list)
    )


PARTS = View(
    columns=(
        Column("part", lambda row: str(row["part"])),
        Column("state", _state, style=_colour),
        Column("detail", lambda row: _detail(row["detail"]), wraps=True),
    ),
    fields=("part", "ready", "essential", "detail"),
    none="Nothing is known of any part.",
)


@shows_data
def status(call: Call) -> None:
    """Every part of the stack. Exit status 1 when one that others need is not ready."""
    with call.client() as client:
        health, readiness, url = client.health(), client.readiness(), client.url
    if call.form is Format.JSON:
        call.show_one({"url": url, **health, **readiness}, lambda _: ())
    else:
        if call.for_people:
            name = f"Aegis {health['version']} ({health['environment']})"
            print(one_line(f"{name} at {url} is {readiness['status']}"))
        call.show_rows(_rows(readiness["components"]), PARTS)
    raise typer.Exit(0 if readiness["status"] == "ready" else 1)


def _rows(components: dict[str, Any]) -> Iterator[Row]:
    for name, component in components.items():
        yield {"part": name, "detail": {}, **component}
