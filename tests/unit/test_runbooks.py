"""Each alert has a page that says what it means and what to do, by commands that there are."""

import re
from pathlib import Path

import pytest

from rag.model import Json
from tests.alertrules import REPOSITORY, rule_files
from tests.runbookcommands import commands_in, compose_services, find_fault, workloads

FOLDER = REPOSITORY / "docs/runbooks"
ALERTS = {rule["alert"]: rule for file in rule_files() for rule in file.rules()}
PAGES = sorted(FOLDER.glob("Aegis*.md"))
INDEX = FOLDER / "README.md"
SECTIONS = ["What it means", "First look", "Mend"]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS.keys())
def test_an_alert_names_its_page(rule: Json) -> None:
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"
    assert (REPOSITORY / rule["annotations"]["runbook"]).is_file()


def test_there_is_no_page_without_an_alert() -> None:
    assert {page.stem for page in PAGES} == ALERTS.keys()


@each_page
def test_a_page_is_short_and_has_the_three_sections(page: Path) -> None:
    text = page.read_text("utf-8")

    assert text.startswith(f"# {page.stem}\n\nSeverity: {ALERTS[page.stem]['labels']['severity']}.")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert len(text.splitlines()) < 50
    assert "```sh\n" in text.partition("## First look")[2].partition("## Mend")[0]


def test_the_index_lists_every_alert_with_its_severity() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", INDEX.read_text("utf-8"), re.MULTILINE)

    assert all(name == file for name, file, _ in rows)
    assert {name: severity for name, _, severity in rows} == {
        name: rule["labels"]["severity"] for name, rule in ALERTS.items()
    }
    assert len(rows) == len(ALERTS)


@pytest.mark.parametrize("page", [*PAGES, INDEX], ids=lambda page: page.stem)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", page.read_text("utf-8")):
        linked = page.parent / target
        assert linked.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
            assert heading in {_anchor(each) for each in headings}, heading


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@each_page
def test_every_command_of_aegis_can_be_typed(page: Path) -> None:
    commands = [each for each in commands_in(page.read_text("utf-8")) if each.startswith("aegis ")]

    assert commands
    assert {command: fault for command in commands if (fault := find_fault(command))} == {}


@each_page
def test_every_command_of_the_engines_is_about_something_that_there_is(page: Path) -> None:
    for command in commands_in(page.read_text("utf-8")):
        if command.startswith("docker compose "):
            names = [word for word in command.split()[3:] if re.fullmatch(r"[a-z][a-z-]+", word)]
            assert set(names) <= compose_services(), command
        elif command.startswith("kubectl "):
            assert " --namespace aegis-rag " in command
            assert set(re.findall(r"\b(?:deployment|statefulset)/[\w-]+", command)) <= workloads(), command
        else:
            assert command.startswith(("aegis ", "#")), command


def test_what_cannot_be_typed_is_found() -> None:
    assert find_fault("aegis jobs list --state queued") is None
    assert find_fault("aegis backup --full") is None
    assert find_fault("aegis jbos list") == "there is no command jbos"
    assert find_fault("aegis jobs list --stat queued") == "--stat is no option"
    assert find_fault("aegis jobs show") is not None
