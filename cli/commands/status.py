"""``aegis status``: whether the API at an address, and each part behind it, is ready."""

import typer

from cli.commands.call import Call, shows_data
from cli.tables.views import Column, Format, Row, View
from rag.system.printable import one_line


def _state(row: Row) -> tuple[str, str]:
    """The state in words, and its colour."""
    if row["ready"]:
        return "ready", "green"
    return ("missing", "red") if row["essential"] else ("missing, others run without", "yellow")


PARTS = View(
    columns=(
        Column("part", lambda row: str(row["part"])),
        Column("state", lambda row: _state(row)[0], style=lambda row: _state(row)[1]),
        Column(
            "detail",
            lambda row: ", ".join(
                f"{name} {round(value, 1) if isinstance(value, float) else value}"
                for name, value in row["detail"].items()
                if not isinstance(value, dict | list)
            ),
            wraps=True,
        ),
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
        parts = ({"part": name, "detail": {}, **part} for name, part in readiness["components"].items())
        call.show_rows(parts, PARTS)
    raise typer.Exit(0 if readiness["status"] == "ready" else 1)
