"""``aegis top`` on a terminal, beside a stack that works."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.system.running import Stack, until

_ON_TERMINAL = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches it
runpy.run_module("cli.main", run_name="__main__")
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_OWN_SCREEN, _LEFT_SCREEN = "\x1b[?1049h", "\x1b[?1049l"


@dataclass
class Terminal:
    """A pseudo terminal with ``aegis top`` in it, and all that it wrote."""

    process: "subprocess.Popen[bytes]"
    keyboard: int
    written: list[bytes] = field(default_factory=list)

    @property
    def raw(self) -> str:
        return b"".join(self.written).decode("utf-8", "replace")

    @property
    def picture(self) -> list[str]:
        """The lines of the last whole picture; each begins at the upper left corner."""
        *_, last, _ = ["", *self.raw.split("\x1b[H"), ""] if "\x1b[H" in self.raw else ["", ""]
        return [line.rstrip() for line in _ESCAPES.sub("", last).splitlines()]

    def press(self, key: str) -> None:
        os.write(self.keyboard, key.encode())

    def read(self) -> None:
        try:
            while some := os.read(self.keyboard, 65_536):
                self.written.append(some)
        except OSError:  # the program has closed the other side
            return


@contextmanager
def terminal(stack: Stack, *arguments: str, columns: int = 100, **environment: str) -> Iterator[Terminal]:
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI")
    outside = {name: value for name, value in stack.environment.items() if name not in unset}
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, "top", *arguments],
        stdin=screen, stdout=screen, stderr=screen, start_new_session=True,
        env={**outside, "TERM": "xterm-256color", **environment},
    )  # fmt: skip
    shown = Terminal(process, keyboard)
    reader = threading.Thread(target=shown.read, daemon=True)
    reader.start()
    before = termios.tcgetattr(screen)
    try:
        yield shown
        assert termios.tcgetattr(screen) == before
    finally:
        process.kill()
        process.wait(30)
        os.close(screen)
        reader.join(10)
        os.close(keyboard)


def ended(shown: Terminal) -> int:
    until(lambda: shown.process.poll() is not None)
    until(lambda: shown.raw.rstrip().endswith("\x1b[?25h") or _LEFT_SCREEN in shown.raw)
    return int(shown.process.returncode)


def row(shown: Terminal, first: str) -> list[str]:
    """The words of the first line of the picture that begins with this one."""
    rows = [line.split() for line in shown.picture if line.split()[:1] == [first]]
    return rows[0] if rows else []


def test_it_shows_a_queue_that_empties_and_q_leaves_the_terminal_as_it_was(
    stack: Stack, client: httpx.Client
) -> None:
    with terminal(stack, "--every", "0.5") as shown:
        until(lambda: row(shown, "embed")[-1:] == ["1"], 60)
        assert row(shown, "broker")[1] == "ready"
        _send(client, documents=1_000)
        until(lambda: any("open job" in line and "ingest)" in line for line in shown.picture))
        until(lambda: any("begun for job" in line for line in shown.raw.splitlines()))
        until(lambda: any("  0 open jobs" in line for line in shown.picture), 120)
        assert re.search(r"[1-9]\d*\.\d/s succeeded", shown.raw)
        assert _OWN_SCREEN in shown.raw
        assert max(map(len, shown.picture)) <= 100
        shown.press("q")

        assert ended(shown) == 0
    assert shown.raw.index(_LEFT_SCREEN) > shown.raw.index(_OWN_SCREEN)


def test_ctrl_c_ends_it_and_no_color_has_none(stack: Stack) -> None:
    with terminal(stack, columns=48, NO_COLOR="1") as shown:
        until(lambda: bool(row(shown, "rerank")), 60)
        shown.press("\x03")

        assert ended(shown) == 130
    assert max(map(len, shown.picture)) <= 48
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", shown.raw)
    assert "Traceback" not in shown.raw


def test_an_api_that_stands_still_is_shown_as_away_until_it_is_back(stack: Stack) -> None:
    with terminal(stack, "--every", "0.5") as shown:
        until(lambda: bool(row(shown, "embed")), 60)
        supervisor = min(
            (each for each in stack.processes() if "api.server" in " ".join(each.cmdline())),
            key=lambda each: each.create_time(),
        )
        supervisor.send_signal(signal.SIGSTOP)
        until(lambda: any(line.startswith("No answer for") for line in shown.picture), 60)
        supervisor.kill()
        assert row(shown, "embed")
        until(lambda: not any(line.startswith("No answer for") for line in shown.picture), 120)
        shown.press("q")

        assert ended(shown) == 0


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_pipe_gets_it_once_and_without_escapes(stack: Stack, form: tuple[str, ...]) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "cli.main", "top", "--once", *form],
        env=dict(stack.environment), capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip

    assert "\x1b" not in printed
    if form:
        found: dict[str, Any] = json.loads(printed)
        assert {each["lane"] for each in found["workers"]} == {each["lane"] for each in found["lanes"]}
    else:
        assert re.search(r"^embed-query +0 +0 +0 +\d+\.\d +1$", printed, re.MULTILINE), printed


def _send(client: httpx.Client, documents: int) -> None:
    """One batch of so many that the queue lasts for several pictures."""
    bodies = [{"text": f"Lantern {number} hangs at gate {number * 7}. " * 40} for number in range(documents)]
    lines = "\n".join(map(json.dumps, bodies))
    form = {"Content-Type": "application/x-ndjson"}
    client.post("/v1/documents:batch", content=lines, headers=form).raise_for_status()
