"""What the pages tell people to type can be typed, and what can be typed is on a page."""

import re
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from typer.main import get_command

from cli.main import LAZY_COMMANDS, app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")])
REFERENCE = (ROOT / "docs/reference/cli.md").read_text("utf-8")
TABLE = REFERENCE.partition("| command | does |")[2].partition("\n\n")[0]
COMMANDS = getattr(get_command(app), "commands")  # noqa: B009 - click's groups are no type of typer's
GROUPS = ("jobs", "documents", "collections", "dlq", "config")
"""Those whose commands the table names; it leads to another page for the others'."""


def row_of(command: str) -> str:
    (row,) = [row for row in TABLE.splitlines() if re.search(rf"`(aegis )?{command}\b", row.split(" | ")[0])]
    return row


def loaded(group: str) -> Any:
    place, _ = LAZY_COMMANDS[group]
    return get_command(resolve_name(place))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_table(command: str) -> None:
    assert row_of(command)


@pytest.mark.parametrize("group", GROUPS)
def test_every_command_of_a_group_is_in_its_row(group: str) -> None:
    row = row_of(group)

    assert {name for name in loaded(group).commands if not re.search(rf"`{name}\b", row)} == set()


def test_the_row_of_jobs_has_what_narrows_their_list() -> None:
    listing = loaded("jobs").commands["list"]
    options = {option for parameter in listing.params for option in parameter.opts if option.startswith("--")}

    shared = {"--url", "--profile", "--output", "--json", "--limit", "--help"}
    assert {option for option in options - shared if option not in row_of("jobs")} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_addresses_with_a_question_mark_are_quoted(page: Path) -> None:
    """zsh takes a question mark that is not for a pattern, and ends the command where nothing matches."""
    commands = re.findall(r"^\$? *curl .*", page.read_text("utf-8"), re.MULTILINE)

    assert [line for line in commands if re.search(r"\s[^'\"\s]+\?", line)] == []
