"""README names only what there is."""

import re
import subprocess
from pkgutil import resolve_name

import pytest
from typer.main import get_command

from cli.main import LAZY_COMMANDS, app
from rag.media import READABLE
from tests.readme import BLOCKS, README, ROOT

_TARGETS = set(
    re.findall(r"\bmake ([a-z-]+)\b", "\n".join(re.findall(r"`[^`\n]+`", README)) + "\n".join(BLOCKS))
)
_COMMANDS = set(
    re.findall(r"\baegis ([a-z]+)\b", "\n".join(re.findall(r"`[^`\n]+`", README)) + "\n".join(BLOCKS))
)
_LINKS = set(re.findall(r"\]\(([^):]+)\)", README))


def test_the_page_names_some() -> None:
    assert {"demo", "test", "up"} <= _TARGETS
    assert {"demo", "up", "doctor"} <= _COMMANDS
    assert "docs/guarantees.md" in _LINKS


@pytest.mark.parametrize("target", sorted(_TARGETS))
def test_a_target_is_in_the_makefile(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_a_command_is_one_of_aegis(command: str) -> None:
    assert command in getattr(get_command(app), "commands")  # noqa: B009 - click's groups are no type of typer's


@pytest.mark.parametrize("link", sorted(_LINKS))
def test_a_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_what_make_test_leaves_out_is_told() -> None:
    dry = subprocess.run(
        ["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    run = set(re.findall(r"\btests/(\w+)", dry.stdout))
    there = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}

    assert there - run == {"soak"}
    for page in ("README.md", "CONTRIBUTING.md", "Makefile"):
        (told,) = re.findall(r"^(?:make test |test:).*#.*", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert re.search("but (not )?the soak", told), page


def test_it_names_each_format_that_is_read() -> None:
    (told,) = re.findall(r"\*\*Real documents\.\*\* (.*?), each read", README, re.DOTALL)

    assert set(re.split(r",\s+|\s+and\s+", told)) == {extensions[0] for extensions in READABLE.values()}


@pytest.mark.parametrize(
    "group", re.findall(r"`([a-z]+) ([a-z]+(?:\|[a-z]+)+)`", README), ids=lambda group: group[0]
)
def test_it_names_each_command_of_a_group(group: tuple[str, str]) -> None:
    name, told = group
    commands = getattr(get_command(resolve_name(LAZY_COMMANDS[name][0])), "commands")  # noqa: B009

    assert set(told.split("|")) == set(commands)
