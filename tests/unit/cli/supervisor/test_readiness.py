"""What the supervisor makes of the health page and of silence."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import psutil
import pytest

from cli.supervisor import probes
from cli.supervisor.probes import HealthPage, unless_working

HERE, ELSEWHERE = "parse@here", "parse@elsewhere"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> HealthPage:
    monkeypatch.setattr(probes, "gethostname", lambda: "here")
    return HealthPage("127.0.0.1", 1, "token")


def shown(page: HealthPage, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | str) -> None:
    """Have the API answer like this."""
    monkeypatch.setattr(page, "_get", lambda _path: answer)


def components(*workers: dict[str, Any], broker: bool = True, beats: Sequence[str] = ()) -> dict[str, Any]:
    lane = {"detail": {"workers": list(workers)} if workers else {"error": "no sign of life"}}
    return {
        "components": {
            "broker": {"ready": broker, "detail": {}},
            "beat": {"ready": True, "detail": {"workers": [{"worker": beat, "pid": 5} for beat in beats]}},
            "parse": lane,
        }
    }


ALIVE = {"worker": HERE, "pid": 7}
HUNG = {"worker": HERE, "pid": 8, "error": "it has taken nothing"}


@pytest.mark.parametrize(
    ("pid", "missing"),
    [(7, None), (8, "it has taken nothing"), (9, "it shows no sign of life")],
)
def test_a_worker_is_seen_by_its_own_process(
    page: HealthPage, monkeypatch: pytest.MonkeyPatch, pid: int, missing: str | None
) -> None:
    shown(page, monkeypatch, components(ALIVE, HUNG, {"worker": ELSEWHERE, "pid": 9}))

    assert page.shows("parse")(pid) == missing
    assert page.misses("parse")(pid) == missing


def test_a_beat_is_seen_by_its_own_process_beside_another(
    page: HealthPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown(page, monkeypatch, components(beats=("beat@elsewhere", "beat@here")))

    assert page.misses("beat")(5) is None
    assert page.misses("beat")(6) == "it shows no sign of life"


def test_a_beat_elsewhere_does_not_speak_for_this_one(
    page: HealthPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown(page, monkeypatch, components(beats=("beat@elsewhere",)))

    assert page.misses("beat")(5) == "it shows no sign of life"


def test_a_worker_is_not_missed_while_the_broker_is_away(
    page: HealthPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown(page, monkeypatch, components(broker=False))

    assert page.shows("parse")(7) == "no sign of life"
    assert page.misses("parse")(7) is None


def test_a_worker_is_not_missed_while_the_api_is_away(
    page: HealthPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown(page, monkeypatch, "the API does not answer")

    assert page.shows("parse")(7) == "the API does not answer"
    assert page.misses("parse")(7) is None


def test_what_is_silent_because_it_computes_is_let_be() -> None:
    silent = unless_working(lambda _pid: "it does not answer")
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    idle = psutil.Process(os.getppid())
    try:
        silent(busy.pid)
        computed = time.monotonic() + 30
        while silent(busy.pid) is not None:
            assert time.monotonic() < computed, "it computes all the time"
            time.sleep(0.5)
    finally:
        busy.kill()
        busy.wait()
    silent(idle.pid)

    assert silent(idle.pid) == "it does not answer"
