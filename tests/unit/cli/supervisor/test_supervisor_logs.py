"""Lines of every part in one format: time, level, part, message."""

import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cli.supervisor.display import Display
from cli.supervisor.json_display import JsonDisplay
from cli.supervisor.logs import LogFile, Output, line_as_json, reformat_redis_line
from rag.settings import Settings
from rag.startup import log_as
from rag.system.log_lines import json_line

SERVER = b"7452:M 30 Nov 2026 03:08:46.230 # WARNING Memory overcommit must be enabled!\n"
FORMAT = re.compile(r"[0-9-]{10} [0-9:]{8},[0-9]{3} [A-Z]+ worker-parse \S+ .*")


@pytest.fixture
def _as_it_was() -> Iterator[None]:
    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(False)
    logging.setLogRecordFactory(factory)
    root.handlers, root.level = handlers, level


@pytest.mark.usefixtures("_as_it_was")
def test_records_and_warnings_are_lines_with_the_parts_name(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = StringIO()
    monkeypatch.setattr(sys, "stderr", printed)

    log_as("worker-parse", Settings())
    logging.getLogger("tasks.stages.stage").info("job %s:\nforged", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    lines = printed.getvalue().splitlines()
    assert len(lines) == 2
    assert all(FORMAT.fullmatch(line) for line in lines), lines
    assert r"INFO worker-parse tasks.stages.stage job 1:\nforged" in lines[0]


@pytest.mark.parametrize(
    ("line", "become"),
    [
        (SERVER, b"2026-11-30 03:08:46,230 WARNING broker WARNING Memory overcommit must be enabled!\n"),
        (b"1:M 01 Jan 2026 00:00:00.001 * Ready\n", b"2026-01-01 00:00:00,001 INFO broker Ready\n"),
        (b"12:C 01 Jan 2026 00:00:00.001 - saved", b"2026-01-01 00:00:00,001 INFO broker saved"),
        (b"1:M 99 Foo 2026 00:00:00.001 * Ready\n", b"1:M 99 Foo 2026 00:00:00.001 * Ready\n"),
        (b"=== BUG REPORT START\n", b"=== BUG REPORT START\n"),
    ],
)
def test_the_brokers_lines_are_put_in_the_format(line: bytes, become: bytes) -> None:
    assert reformat_redis_line("broker", line) == become


def test_the_brokers_log_has_them_whole(tmp_path: Path) -> None:
    output = Output(
        LogFile(tmp_path, "broker"), lambda _: None, rewrite=lambda line: reformat_redis_line("broker", line)
    )

    output.feed(SERVER[:20])
    output.feed(SERVER[20:] + b"half a line")
    output.end()
    output.close()

    assert (tmp_path / "broker.log").read_text().splitlines() == [
        "2026-11-30 03:08:46,230 WARNING broker WARNING Memory overcommit must be enabled!",
        "half a line",
    ]


@pytest.mark.parametrize(
    ("line", "level", "event"),
    [
        (SERVER, "WARNING", "WARNING Memory overcommit must be enabled!"),
        (b"1:M 01 Jan 2026 00:00:00.001 * Ready\n", "INFO", "Ready"),
        (
            b"thread 'main' panicked at src/shard.rs:7:1\n",
            "WARNING",
            "thread 'main' panicked at src/shard.rs:7:1",
        ),
        (b"INFO: \x1b[31mred\n", "INFO", r"INFO: \x1b[31mred"),
    ],
)
def test_what_is_written_past_the_log_becomes_a_json_line(line: bytes, level: str, event: str) -> None:
    told = json.loads(line_as_json("vectors", line))

    assert (told["level"], told["part"], told["event"]) == (level, "vectors", event)


def test_a_json_line_of_the_log_stays_as_it_is() -> None:
    line = json_line("ERROR", "api", "an event").encode() + b"\n"

    assert line_as_json("api", line) == line
    assert line_as_json("api", b"\n") == b"\n"


def test_the_supervisor_writes_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    display, ready = JsonDisplay(), json_line("ERROR", "api", "an event")

    display.show_start(Path("/home"))
    display.show_ready("api", 1.0)
    display.show_death("api", "signal SIGKILL", restart=1, wait=0.0)
    display.show_line("api", ready)
    display.show_line("api", "plain")
    display.show_stopping()
    display.show_line("api", "not while the stack stops")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["part"] for line in lines] == ["supervisor"] * 3 + ["api"] + ["supervisor"] * 2
    assert [line["level"] for line in lines] == ["INFO", "INFO", "ERROR", "ERROR", "ERROR", "INFO"]
    assert lines[2]["event"] == "api ended with signal SIGKILL; restart 1 begins in 0 s"


def test_the_terminal_names_the_part_once_in_every_line() -> None:
    printed = StringIO()
    display = Display(Console(file=printed, highlight=False, soft_wrap=True))

    display.show_line("api", "2026-11-30 01:02:03,004 WARNING api api.http.problems a [bracket]")
    display.show_line("vectors", "thread panicked")

    ours_, foreign = printed.getvalue().splitlines()
    assert ours_ == "  2026-11-30 01:02:03,004 WARNING api api.http.problems a [bracket]"
    assert re.fullmatch(r"  [0-9-]{10} [0-9:]{8},[0-9]{3} WARNING vectors thread panicked", foreign)


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    class Gone(StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    display = Display(Console(file=Gone(), highlight=False))

    display.show_ready("api", 1.0)
    display.show_addresses(1.0, {"API": "http://127.0.0.1"})
