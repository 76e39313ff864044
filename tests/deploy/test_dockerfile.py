"""The Dockerfile and its scripts: what linters say of them, and that every builder knows what they use."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.chaos.requirements import missing

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/docker"
DOCKERFILE = FOLDER / "Dockerfile"
SCRIPTS = sorted(path for path in FOLDER.iterdir() if path != DOCKERFILE)


def lint(program: str, *files: Path) -> str:
    """What the program of the deployment's lock complains of."""
    path = ROOT / ".venv/bin" / program
    if not path.exists():
        missing(f"{program}: make deployment-tools")
    return subprocess.run([path, *files], capture_output=True, text=True, check=False, timeout=120).stdout


def test_hadolint_finds_nothing() -> None:
    assert lint("hadolint", DOCKERFILE) == ""


def test_shellcheck_finds_nothing() -> None:
    assert lint("shellcheck", *SCRIPTS, ROOT / "deploy/locks/compile.sh") == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run(script: Path) -> None:
    assert script.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize(
    "feature", [r"^# syntax=", r"^RUN --", r"^COPY .*--(chmod|link|parents)", r"<<-?'?EOF"]
)
def test_a_builder_without_buildkit_knows_all_of_it(feature: str) -> None:
    assert not re.search(feature, DOCKERFILE.read_text("utf-8"), re.MULTILINE)


def test_every_stage_is_made_from_one_base_that_an_argument_names() -> None:
    text = DOCKERFILE.read_text("utf-8")
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)

    assert re.search(r"^ARG BASE=python:3\.11-slim$", text, re.MULTILINE)
    assert {source for source, _ in stages} - {name for _, name in stages} == {"${BASE}"}
    assert stages[-1][1] == "worker", "the default"
