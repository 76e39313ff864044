"""``aegis top``: what it shows of the API's answers, at each width, and while the API is away."""

import json
from collections.abc import Callable
from io import StringIO
from itertools import count
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from cli.client.client import Client
from cli.client.load import LoadReader, RateWindow
from cli.commands.call import Call
from cli.commands.status import PARTS
from cli.main import app
from cli.shell.keyboard import Keyboard
from cli.tables.load import render
from rag.errors import Forbidden, Unavailable

JOB = "01990a6f-3c10-7b1e-9a44-1d2f5a0c7e11"
LANE = {
    "lane": "parse",
    "stages": ["parse"],
    "ready": 0,
    "resting": 0,
    "running": 0,
    "ended": 0,
    "workers": 1,
}
WORKER = {
    "lane": "embed", "host": "rag-1.example.com", "pid": 4711, "age_seconds": 0.8, "idle_seconds": 4.0,
    "busy_seconds": 4.0, "task": f"{JOB}.embed.9f2c61", "error": None,
}  # fmt: skip


def lanes(second: int, succeeded: int, **fields: object) -> dict[str, Any]:
    embed = {
        **LANE,
        "lane": "embed",
        "ready": 12,
        "running": 8,
        "oldest_wait_seconds": 83.0,
        "ended": 30 * second,
    }
    return {
        "read_at": f"2026-11-23T10:00:{second:02}Z",
        "lanes": [{**LANE, "oldest_wait_seconds": 0.0, "workers": 0}, embed],
        "workers": [WORKER],
        "jobs": {"succeeded": 3},
        "ended": {"succeeded": succeeded},
        "open": {"ingest": 20, "query": 0},
        "open_limits": {},
        "dead_letters": {"crashed": 2},
        **fields,
    }


class Api:
    """An API whose every second has brought ten jobs to their end.

    ``away``: it does not answer. ``proxied``: a proxy answers in its place.
    """

    def __init__(self) -> None:
        self.away = self.broker_away = self.proxied = False
        self.status = 200
        self._seconds = count()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        if self.proxied:
            return httpx.Response(200, text="<h1>Back soon</h1>")
        if request.url.path == "/health":
            return httpx.Response(200, json={"version": "1.2", "environment": "test"})
        if request.url.path == "/health/ready":
            missing = {"ready": not self.broker_away, "essential": True, "detail": {}}
            components = {"broker": missing, "embed": {**missing, "ready": True}}
            return httpx.Response(200, json={"status": "ready", "components": components})
        second = next(self._seconds)
        if self.broker_away:
            problem = {"type": "urn:aegis:problem:unavailable", "detail": "the broker is away"}
            return httpx.Response(503, json=problem, headers={"Retry-After": "300"})
        return httpx.Response(self.status, json=lanes(second, 10 * second))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()
    monkeypatch.setattr(Call, "client", lambda _: client_of(api))
    monkeypatch.setattr(Keyboard, "wait", lambda *_: "")
    monkeypatch.delenv("COLUMNS", raising=False)
    return api


def client_of(api: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://api.test", transport=httpx.MockTransport(api))


def top(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["top", *arguments])


def drawn(api: Api, width: int, reader: LoadReader | None = None) -> list[str]:
    out = StringIO()
    load = (reader or LoadReader(client_of(api))).read()
    Console(file=out, width=width).print(render(load, PARTS, "Aegis 1.2 at http://api.test", width))
    return out.getvalue().splitlines()


def test_once_shows_lanes_jobs_parts_and_workers_with_rates(api: Api) -> None:
    shown = top("--once").stdout

    assert shown.startswith("Aegis 1.2 at http://api.test\n")
    assert "20 open jobs (20 ingest) · 10.0/s succeeded · 2 dead letters" in shown
    words = [line.split() for line in shown.splitlines()]
    assert ["embed", "12", "0", "8", "1", "m", "23", "s", "30.0", "1"] in words
    assert ["broker", "ready"] in words
    assert f"0.8 s ago  embed for 4.0 s, begun for job {JOB}" in shown
    assert "\x1b" not in shown


def test_json_is_one_object_a_line(api: Api) -> None:
    (line,) = top("--once", "--json").stdout.splitlines()
    found = json.loads(line)

    assert found["lanes"][1]["ready"] == 12
    assert found["rates"] == {"lane": {"parse": 0.0, "embed": 30.0}, "jobs": found["rates"]["jobs"]}
    assert found["rates"]["jobs"]["succeeded"] == 10.0
    assert found["components"]["broker"]["ready"]
    assert found["error"] is None


def test_each_look_is_shown_until_q(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter(["", "x", "q"])
    monkeypatch.setattr(Keyboard, "wait", lambda *_: next(keys))

    looks = [json.loads(line) for line in top("--json").stdout.splitlines()]

    assert [each["ended"]["succeeded"] for each in looks] == [0, 10, 20]


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_no_line_is_longer_than_the_terminal(api: Api, width: int) -> None:
    lines = drawn(api, width)

    assert max(map(len, lines)) <= width
    assert len(lines) < 40
    assert any(line.split()[:2] == ["embed", "12"] for line in lines)
    assert "/s succeeded" not in " ".join(lines)  # a first look knows no rates


def test_while_the_api_is_away_the_last_look_stays_with_the_reason(api: Api) -> None:
    reader = LoadReader(client_of(api))
    reader.read()
    api.away = True
    away = drawn(api, 200, reader)
    api.away, api.proxied = False, True
    proxied = drawn(api, 200, reader)
    api.proxied = False
    back = drawn(api, 200, reader)

    assert "not as Aegis does" in proxied[1]
    assert away[1].startswith("No answer for 0.0 s: ")
    assert any(line.startswith("embed ") for line in away)
    assert not any(line.startswith("No answer") for line in back)


def test_a_broker_that_is_away_does_not_hold_the_picture_up(api: Api) -> None:
    api.broker_away = True

    lines = drawn(api, 200)

    assert "the broker is away" in lines[1]
    assert ["broker", "missing"] in [line.split() for line in lines]


def test_an_api_that_never_answered_and_a_key_that_may_not_end_it(api: Api) -> None:
    api.away = True
    assert top("--once").exit_code != 0
    with pytest.raises(Unavailable):
        LoadReader(client_of(api)).read()
    api.away, api.status = False, 403
    refused = {"type": "urn:aegis:problem:forbidden", "detail": "no"}
    with pytest.raises(Forbidden):
        LoadReader(
            client_of(lambda ask: httpx.Response(403, json=refused) if "v1" in ask.url.path else api(ask))
        ).read()


def test_a_reader_without_workers_sees_no_table_of_them() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health/ready":
            return httpx.Response(200, json={"status": "ready", "components": {"beat": {"ready": True}}})
        return httpx.Response(200, json=lanes(0, 0, workers=None))

    load = LoadReader(client_of(serve)).read()

    assert load.lanes["workers"] is None


def test_rates_are_means_over_a_window_and_none_after_a_counter_began_anew() -> None:
    window, name = RateWindow(), ("jobs", "succeeded")
    for second in range(30):
        window.add(float(second), {name: second * second})
        window.add(float(second), {name: 0})  # the same answer again

    assert window.rates() == {name: pytest.approx((29**2 - 19**2) / 10)}
    window.add(30.0, {name: 3})
    assert window.rates() == {}
