"""The command line itself: exit statuses, messages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.client.addresses import addresses
from cli.commands.answers import place
from cli.main import LAZY_COMMANDS, app
from cli.supervisor.logs import ROTATE_BYTES, LogFile
from rag.settings import load

ROOT = Path(__file__).resolve().parents[3]


def _aegis(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command() -> None:
    shown = _aegis("--help")

    assert shown.returncode == 0
    commands = "setup up demo ingest ask jobs documents reindex doctor eval dlq backup restore bench"
    for command in (*commands.split(), "keys", "audit"):
        assert f"\n  {command} " in shown.stdout


@pytest.mark.parametrize("command", LAZY_COMMANDS)
def test_a_command_that_lives_elsewhere_is_there(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])

    assert shown.exit_code == 0, shown.output
    assert f"aegis {command}" in shown.output


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, cli.main\n"
        "heavy = {'httpx', 'celery', 'redis', 'numpy', 'rich', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)))"
    )

    checked = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert checked.stderr.strip() == ""


def test_a_wrong_setting_is_one_line_and_status_2() -> None:
    refused = _aegis("up", API_PORT="99999")

    assert refused.returncode == 2
    assert refused.stderr.startswith("aegis: API_PORT: ")
    assert len(refused.stderr.splitlines()) == 1


def test_two_equal_ports_are_refused(tmp_path: Path) -> None:
    refused = _aegis("up", API_PORT="9", FLOWER_PORT="9", AEGIS_HOME=str(tmp_path))

    assert refused.returncode == 2
    assert "API_PORT and FLOWER_PORT are both 9" in refused.stderr


def test_a_source_shows_title_headings_and_page() -> None:
    citation = {"document_id": "a.pdf", "title": "Manual", "headings": ["Manual", "Range"], "page": 3}

    assert place(citation) == "Manual › Range, page 3"
    assert place({"document_id": "a.pdf", "title": "", "headings": [], "page": None}) == "a.pdf"


def test_addresses_are_ones_that_can_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_HOST", "0.0.0.0")
    monkeypatch.setenv("API_PORT", "8911")

    assert addresses(load())["API"] == "http://127.0.0.1:8911"


def test_a_log_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    log = LogFile(tmp_path, "api")
    log.write(b"x" * (ROTATE_BYTES - 1))
    log.write(b"next")
    log.close()

    assert (tmp_path / "api.log").read_bytes() == b"next"
    assert (tmp_path / "api.log.1").stat().st_size == ROTATE_BYTES - 1
