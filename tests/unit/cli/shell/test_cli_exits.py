"""What ``aegis`` ends with, whatever ends it, and what it says of itself."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.shell.exits import EXITS, status_of, status_of_all
from cli.tables.printing import repair_streams
from rag import errors
from rag.errors import AegisError

ROOT = Path(__file__).resolve().parents[4]


def aegis(*arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*arguments), check=False, timeout=120, **options(more))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]


def options(more: dict[str, Any]) -> dict[str, Any]:
    environment = {**os.environ, **more.pop("env", {})}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return {"cwd": ROOT, "env": environment, **pipes, **more}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AegisError("a job failed"), 1),
        (errors.Conflict("it is over"), 1),
        (errors.ConfigurationError("wrong"), 2),
        (errors.Unavailable("away"), 3),
        (errors.Overloaded("full"), 3),
        (errors.Unauthenticated("who?"), 4),
        (errors.Forbidden("no"), 4),
        (errors.NotFound("gone"), 5),
        (errors.UnknownCollection("gone"), 5),
        (errors.InvalidRequest("no such state"), 2),
    ],
)
def test_each_error_ends_with_its_status_and_one_line(
    error: AegisError, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr("cli.main.app", fail)

    with pytest.raises(SystemExit) as ended:
        run()

    assert ended.value.code == status == status_of(error)
    assert status in EXITS
    assert capsys.readouterr().err == f"aegis: {error}\n"


@pytest.mark.parametrize(
    ("met", "done", "status"),
    [
        ([], False, 0),
        ([errors.NotFound()], False, 5),
        ([errors.NotFound(), errors.UnknownCollection()], False, 5),
        ([errors.NotFound(), errors.Conflict()], False, 1),
        ([errors.NotFound()], True, 1),
    ],
)
def test_several_errors_end_with_the_status_that_they_have_in_common_when_nothing_was_done(
    met: list[AegisError], done: bool, status: int
) -> None:
    assert status_of_all(met, done=done) == status


def test_help_and_the_reference_have_the_same_statuses() -> None:
    shown = aegis("-h")
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    table = re.findall(r"^\| `(\d+)` \| (.+) \|$", page, re.MULTILINE)

    assert shown.stdout == aegis("--help").stdout
    assert {int(status): meaning for status, meaning in table} == EXITS
    for status, meaning in EXITS.items():
        assert re.search(rf"^ +{status}  {re.escape(meaning)}$", shown.stdout, re.MULTILINE)


def test_every_command_has_short_help_too() -> None:
    shown = aegis("jobs", "cancel", "-h")

    assert shown.returncode == 0
    assert shown.stdout.startswith("Usage: aegis jobs cancel [OPTIONS]")


def test_the_version_is_told() -> None:
    shown = aegis("--version")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.fullmatch(r"aegis \S+\n", shown.stdout)


def test_an_unknown_command_is_status_2_and_the_one_that_is_meant_is_named() -> None:
    refused = aegis("jbos")

    assert refused.returncode == 2
    assert "Did you mean 'jobs'?" in refused.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_completion_script_is_printed(shell: str) -> None:
    shown = aegis("completion", shell)

    assert shown.returncode == 0
    assert "_AEGIS_COMPLETE=complete_" + shell in shown.stdout
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=shown.stdout, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("aegis jo", {"jobs"}),
        ("aegis jobs ", {"list", "show", "stuck", "unstick", "cancel", "retry", "watch"}),
        ("aegis dlq re", {"replay"}),
        ("aegis documents list --out", {"--output"}),
        ("aegis jobs list -o js", {"json", "jsonl"}),
    ],
)
def test_commands_of_commands_and_options_are_completed(typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    asked = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}

    told = aegis(env={"_AEGIS_COMPLETE": "complete_bash", **asked})

    assert set(told.stdout.split()) == offered


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """AEGIS_HOME with a log that is longer than a pipe holds."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "api.log").write_text("".join(f"2026-11-23 10:00:00,000 INFO line {n}\n" for n in range(20_000)))
    return tmp_path


def test_a_reader_that_goes_gets_no_traceback(home: Path) -> None:
    reading = subprocess.Popen(command("logs", "-n", "20000"), **options({"env": {"AEGIS_HOME": str(home)}}))
    assert reading.stdout is not None
    assert reading.stderr is not None

    assert reading.stdout.readline().endswith("line 0\n")
    reading.stdout.close()

    assert reading.stderr.read() == ""
    assert reading.wait(60) == 141


def test_help_whose_reader_goes_gets_no_traceback() -> None:
    script = f"{sys.executable} -m cli.main -h | true; exit ${{PIPESTATUS[0]}}"

    ended = subprocess.run(["bash", "-c", script], check=False, **options({}))

    assert ended.stderr == ""
    assert ended.returncode in (0, 141), "the pipe may have taken all of it"


def test_ctrl_c_ends_with_130_and_no_traceback(home: Path) -> None:
    following = subprocess.Popen(
        command("logs", "--follow", "-n", "1"), **options({"env": {"AEGIS_HOME": str(home)}})
    )
    assert following.stdout is not None
    assert following.stderr is not None
    assert following.stdout.readline().endswith("line 19999\n")

    following.send_signal(signal.SIGINT)

    assert following.wait(60) == 130
    assert following.stderr.read().strip() == ""


@pytest.mark.parametrize("shell", ["{} logs >&-", "{} logs 2>&-", "{} logs <&-", "{} -h >&-"])
def test_a_closed_stream_leads_nowhere(home: Path, shell: str) -> None:
    script = shell.format(f"{sys.executable} -m cli.main")

    ended = subprocess.run(["bash", "-c", script], check=False, **options({"env": {"AEGIS_HOME": str(home)}}))

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("command", ["logs -n 20000", "-h"])
def test_output_that_has_no_room_is_one_line(home: Path, command: str) -> None:
    script = f"{sys.executable} -m cli.main {command} > /dev/full"

    ended = subprocess.run(["bash", "-c", script], check=False, **options({"env": {"AEGIS_HOME": str(home)}}))

    assert ended.returncode == 1
    assert ended.stderr == "aegis: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(("columns", "shown"), [("0", None), ("-1", None), ("19", None), ("80", "80")])
def test_columns_count_where_they_are_a_width(
    monkeypatch: pytest.MonkeyPatch, columns: str, shown: str | None
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    repair_streams()

    assert os.environ.get("COLUMNS") == shown
