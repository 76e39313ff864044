"""``aegis config``: every setting with where it comes from, and everything that is wrong or misspelt."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.printing import print_json, shown
from rag.model import Json
from rag.settings import Settings, load
from rag.settings.disclosure import disclosed
from rag.settings.loading import examined
from rag.settings.sources import ENVIRONMENT, Given, read
from rag.settings.wording import masked

app = typer.Typer(
    help="Settings: show where each comes from, or check them all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

WRONG, DOUBTFUL = 2, 1
"""Exit statuses of ``check``: nothing starts with these settings; or something may not be meant."""


@app.command()
def show(
    changed: Annotated[
        bool, typer.Option("--changed", help="Those alone that differ from the default.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Every setting, its value and its source; secrets are masked."""
    settings = load()
    rows = [row for row in rows_of(settings) if row["changed"] or not changed]
    if as_json:
        print_json(rows)
    else:
        Console(highlight=False).print(setting_table(rows) if rows else "Every setting has its default.")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Everything that is wrong, misspelt or not read, a line each. Exit status 2 if it is wrong, else 1."""
    reading = read(Settings)
    _, wrong = examined(reading)
    found: Json = {
        "files": list(reading.files),
        "wrong": wrong,
        "warnings": list(reading.warnings),
        "notes": list(reading.remarks),
    }
    if as_json:
        print_json(found)
    else:
        Console(highlight=False, soft_wrap=True).print(report(found, len(reading.given)))
    raise typer.Exit(WRONG if wrong else DOUBTFUL if reading.warnings else 0)


def rows_of(settings: Settings) -> list[Json]:
    """``{"name", "value", "source", "changed"}`` of each."""
    values = disclosed(settings)
    if settings.redis_url is not None:
        values["REDIS_URL"] = masked(settings.redis_url.get_secret_value())
    return [
        {
            "name": name.upper(),
            "value": values[name.upper()],
            "source": source_of(name, settings.given.get(name)),
            "changed": getattr(settings, name) != _default(settings, name),
        }
        for name in Settings.model_fields
    ]


def source_of(name: str, given: Given | None) -> str:
    """Such as ``aegis.toml``, or ``environment: MESSAGE_KEY_FILE``."""
    if given is None:
        return "default"
    return f"{given.source}: {name.upper()}_FILE" if given.file else given.source


def setting_table(rows: list[Json]) -> Table:
    table = Table(box=None, header_style="bold")
    for column in ("setting", "value", "source"):
        table.add_column(column, no_wrap=column == "setting", overflow="fold")
    for row in rows:
        style = "bold" if row["changed"] else "default"
        table.add_row(f"[{style}]{row['name']}[/]", shown(_text(row["value"])), shown(row["source"]))
    return table


def report(found: Json, given: int) -> str:
    """A line for each thing, and what was read."""
    lines = [
        *(f"[bold red]wrong[/]    {shown(line)}" for line in found["wrong"]),
        *(f"[yellow]warning[/]  {shown(line)}" for line in found["warnings"]),
        *(f"[dim]note[/]     {shown(line)}" for line in found["notes"]),
    ]
    sources = shown(", ".join([ENVIRONMENT, *found["files"]]))
    verdict = f"[bold red]{len(found['wrong'])} wrong[/]" if found["wrong"] else "nothing is wrong"
    return "\n".join([*lines, f"{given} settings are given ({sources}); {verdict}"])


def _default(settings: Settings, name: str) -> Any:
    known = {field: getattr(settings, field) for field in Settings.model_fields}
    return Settings.model_fields[name].get_default(call_default_factory=True, validated_data=known)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict) and "role" in value:  # an API key
        return f"{value['name']} ({value['role']})"
    return str(value)
