"""A real Chromium without a window, driven by its DevTools protocol over a pipe."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

REBOUND = "rebound.example"
"""A name that leads to this machine, as an attacker's does after rebinding."""

_READ_BYTES = 65_536
_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
    "--remote-debugging-pipe", f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1",
)  # fmt: skip


class Chromium:
    """One page after the other, each in a tab of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", requests: int, answers: int) -> None:
        self._process = process
        self._requests = requests
        self._answers = answers
        self._unread = b""
        self._last = 0
        self.errors: list[str] = []
        """What pages wrote to their consoles as an error, or did not catch."""

    @property
    def ended(self) -> bool:
        """Whether it runs no more: it was killed, or has crashed."""
        return self._process.poll() is not None

    def run(self, url: str, *scripts: str) -> Any:
        """What the last script resolves to, as JSON, within the page at ``url``, loaded anew for each."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable", session)
        for script in scripts:
            self._call("Page.navigate", session, url=url)
            self._until_event("Page.loadEventFired")
            answer = self._call(
                "Runtime.evaluate", session,
                expression=f"(async () => {{ {script} }})()", awaitPromise=True, returnByValue=True,
            )  # fmt: skip
            assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        self._call("Target.closeTarget", targetId=target)
        return answer["result"].get("value")

    def _call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        try:
            os.write(self._requests, json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            self._fail()
        while (answer := self._next()).get("id") != self._last:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _until_event(self, name: str) -> None:
        while self._next().get("method") != name:
            pass

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            read = os.read(self._answers, _READ_BYTES)
            if not read:
                self._fail()
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self.errors += _error_in(message)
        return message

    def _fail(self) -> NoReturn:
        self._process.kill()  # it may still be on its way out
        self._process.wait(30)
        raise AssertionError("Chromium has ended")


def _error_in(message: dict[str, Any]) -> list[str]:
    told = message.get("params", {})
    match message.get("method"):
        case "Runtime.exceptionThrown":
            return [str(told["exceptionDetails"])]
        case "Runtime.consoleAPICalled" if told["type"] == "error":
            return [str(told["args"])]
        case "Log.entryAdded" if told["entry"]["level"] == "error":
            return [f"{told['entry']['text']} {told['entry'].get('url', '')}"]
    return []


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """Skips where none is installed, and fails there in CI."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        assert not os.environ.get("CI"), "chromium is not installed"
        pytest.skip("chromium is not installed")
    their_requests, requests = os.pipe()
    answers, their_answers = os.pipe()
    command = f'exec "$0" "$@" 3<&{their_requests} 4>&{their_answers}'
    process = subprocess.Popen(
        ["bash", "-c", command, program, *_ARGUMENTS, f"--user-data-dir={profile}"],
        pass_fds=(their_requests, their_answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for theirs in (their_requests, their_answers):
        os.close(theirs)
    try:
        yield Chromium(process, requests, answers)
    finally:
        process.kill()
        process.wait(30)
        for ours in (requests, answers):
            os.close(ours)


@contextmanager
def chromiums(profiles: Path) -> Iterator[Callable[[], Chromium]]:
    """Returns a Chromium that runs: always the same, until that one has ended. ``profiles``: a folder."""
    with ExitStack() as opened:
        made: list[Chromium] = []

        def running() -> Chromium:
            if not made or made[-1].ended:
                made.append(opened.enter_context(chromium(profiles / str(len(made)))))
            return made[-1]

        yield running
