"""``aegis logs`` and ``aegis down``: the local stack's logs, and its end."""

import fcntl
import os
import signal
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner, Result

from cli.commands import down
from cli.commands import logs as log_reading
from cli.main import app
from cli.supervisor.lockfile import StackFile, is_locked, lock_home, supervisor_of
from rag.errors import AegisError, NotFound, TimedOut

API = [
    "2026-11-23 10:00:00,100 INFO api first",
    "2026-11-23 10:00:02,000 ERROR api \x1b[31mthird",
    "  a frame",
]
WORKER = ["2026-11-23 10:00:01,000 INFO worker second", "2026-11-23T10:00:03.000Z worker fourth"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def logs(home: Path) -> Path:
    folder = home / "logs"
    folder.mkdir()
    (folder / "api.log").write_text("\n".join(API) + "\n")
    (folder / "worker-embed.log").write_text("\n".join(WORKER) + "\n")
    (folder / "audit.log").write_text("2026-11-23 10:00:00,000 INFO aegis.audit audit {}\n")
    return folder


def aegis(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_the_parts_logs_are_merged_by_time_and_steer_nothing(logs: Path) -> None:
    shown = aegis("logs").stdout.splitlines()

    assert [line.split()[0] for line in shown] == ["api", "worker-embed", "api", "api", "worker-embed"]
    assert [line.split()[-1] for line in shown] == ["first", "second", r"\x1b[31mthird", "frame", "fourth"]


def test_one_part_is_shown_as_it_is_and_as_far_back_as_asked(logs: Path) -> None:
    assert aegis("logs", "worker-embed").stdout.splitlines() == WORKER
    assert aegis("logs", "worker-embed", "-n", "1").stdout.splitlines() == WORKER[1:]
    assert aegis("logs", "-n", "0").stdout == ""
    assert "aegis.audit" in aegis("logs", "audit").stdout


def test_what_has_no_log_is_said(home: Path) -> None:
    assert isinstance(aegis("logs").exception, NotFound)
    assert not (home / "logs").exists(), "a look makes nothing"
    (home / "logs").mkdir()
    (home / "logs" / "api.log").write_text("x\n")
    assert "there are api" in str(aegis("logs", "flower").exception)


def test_new_lines_are_followed_over_a_file_that_is_begun_anew(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = logs / "api.log"

    def write(_seconds: float) -> None:
        naps.append(1)
        match len(naps):
            case 1:
                file.open("a").write("2026-11-23 10:00:04,000 half of ")
            case 2:
                file.open("a").write("a line\n")
            case 3:
                file.open("a").write("the last of the old file\n")
                file.rename(logs / "api.log.1")
                file.write_text("the first of the new file\n")

    naps: list[int] = []
    monkeypatch.setattr(log_reading, "sleep", write)
    lines = [entry.line for entry in islice(log_reading.follow_files([file]), 3)]

    assert lines == [
        "2026-11-23 10:00:04,000 half of a line",
        "the last of the old file",
        "the first of the new file",
    ]


def test_a_home_is_locked_while_a_stack_runs_and_a_look_changes_nothing(home: Path) -> None:
    assert not is_locked(home)
    assert list(home.iterdir()) == []

    with lock_home(home) as stack_file:
        stack_file.kill_leftovers()
        assert is_locked(home)
        assert supervisor_of(home) == os.getpid()
    assert not is_locked(home)


def test_another_process_under_the_supervisors_number_is_not_the_supervisor(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StackFile(home / "stack.json").remove("none")
    begun = psutil.Process().create_time()
    monkeypatch.setattr("cli.supervisor.lockfile.StackFile.written_by", lambda _: (os.getpid(), begun - 60))

    assert supervisor_of(home) is None


def test_nothing_to_stop_is_no_failure(home: Path) -> None:
    assert aegis("down").stdout == f"no stack is running in {home}\n"


@pytest.fixture
def running(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A stack in this process, and the signals that it gets; the first ends it."""
    signals: list[int] = []
    with (home / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        StackFile(home / "stack.json").remove("none")

        def get(pid: int, number: int) -> None:
            assert pid == os.getpid()
            signals.append(number)
            fcntl.flock(lock, fcntl.LOCK_UN)

        monkeypatch.setattr(down.os, "kill", get)
        yield signals


def test_a_running_stack_is_told_to_end_and_waited_for(home: Path, running: list[int]) -> None:
    stopped = aegis("down")

    assert stopped.exit_code == 0, stopped.output
    assert stopped.stdout.startswith("stopped in ")
    assert running == [signal.SIGTERM]


def test_a_stack_that_does_not_end_is_said(
    home: Path, running: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(down, "is_locked", lambda _: True)
    monkeypatch.setattr(down, "_ECHO_SECONDS", 0.1)

    late = aegis("down", "--timeout", "1", "--hurry")

    assert isinstance(late.exception, TimedOut)
    assert running == [signal.SIGTERM, signal.SIGINT]


def test_a_stack_whose_process_is_not_known_is_left_alone(
    home: Path, running: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "stack.json").write_text("{")

    assert isinstance(aegis("down").exception, AegisError)
    assert running == []
