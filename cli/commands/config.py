"""``aegis config``: shows where each setting comes from, and checks all of them."""

from collections.abc import Iterator
from typing import Annotated

import typer

from cli.commands.call import Call, shows_own_data
from cli.shell.groups import group
from cli.supervisor.preflight import check_port_numbers, refused_by
from cli.tables.views import Column, Row, View
from rag.model import Json
from rag.settings import Settings, load
from rag.settings.disclosure import disclosed
from rag.settings.loading import examine
from rag.settings.sources import ENVIRONMENT, Given, read
from rag.settings.wording import masked
from rag.startup import require_closed_api, require_closed_flower

app = group("Settings: show where each comes from, or check them all.", no_args_is_help=True)

SETTINGS = View(
    columns=(
        Column("setting", lambda row: str(row["name"]), style=lambda row: "bold" if row["changed"] else ""),
        Column("value", lambda row: _text(row["value"]), wraps=True),
        Column("source", lambda row: str(row["source"]), wraps=True),
    ),
    fields=("name", "value", "source", "changed"),
    none="Every setting has its default.",
)

WRONG, DOUBTFUL = 2, 1
"""Exit statuses of ``check``: nothing starts with these settings; something may be a mistake."""


@app.command()
@shows_own_data
def show(
    call: Call,
    changed: Annotated[
        bool, typer.Option("--changed", help="Those alone that differ from the default.")
    ] = False,
) -> None:
    """Every setting, its value and its source; secrets are masked."""
    settings = load()
    call.show_rows([row for row in rows_of(settings) if row["changed"] or not changed], SETTINGS)


@app.command()
@shows_own_data
def check(call: Call) -> None:
    """Everything that is wrong, misspelt or not read, a line each. Exit status 2 if it is wrong, else 1."""
    reading = read(Settings)
    settings, wrong = examine(reading)
    warnings = list(reading.warnings)
    if settings is not None:
        wrong += refused_by([require_closed_api, check_port_numbers], settings)
        warnings += refused_by([require_closed_flower], settings)
    found: Json = {
        "given": len(reading.given),
        "files": list(reading.files),
        "wrong": wrong,
        "warnings": warnings,
        "notes": list(reading.remarks),
    }
    call.show_one(found, report)
    raise typer.Exit(WRONG if wrong else DOUBTFUL if warnings else 0)


def rows_of(settings: Settings) -> list[Json]:
    """``{"name", "value", "source", "changed"}`` of each."""
    values = disclosed(settings)
    if settings.redis_url is not None:
        values["REDIS_URL"] = masked(settings.redis_url.get_secret_value())
    known = {field: getattr(settings, field) for field in Settings.model_fields}
    return [
        {
            "name": name.upper(),
            "value": values[name.upper()],
            "source": source_of(name, settings.given.get(name)),
            "changed": known[name] != field.get_default(call_default_factory=True, validated_data=known),
        }
        for name, field in Settings.model_fields.items()
    ]


def source_of(name: str, given: Given | None) -> str:
    """Such as ``aegis.toml``, or ``environment: MESSAGE_KEY_FILE``."""
    if given is None:
        return "default"
    return f"{given.source}: {name.upper()}_FILE" if given.file else given.source


def report(found: Row) -> Iterator[tuple[str, str]]:
    """A line for each problem, then what was read and the verdict."""
    for name, kind in (("wrong", "wrong"), ("warning", "warnings"), ("note", "notes")):
        yield from ((name, line) for line in found[kind])
    sources = ", ".join([ENVIRONMENT, *found["files"]])
    verdict = f"{len(found['wrong'])} wrong" if found["wrong"] else "nothing is wrong"
    yield "settings", f"{found['given']} given ({sources}); {verdict}"


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
