"""Lines of every part in one format: time, level, part, message."""

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
from cli.supervisor.logs import LogFile, Output, reformat_redis_line
from rag.settings import Settings
from rag.startup import log_as

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
