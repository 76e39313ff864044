"""A job that is followed on a terminal: its stages, its bars, and what it costs the API."""

import json
import re
from io import StringIO

import httpx
import pytest
from rich.console import Console

from cli.client.client import Client
from cli.commands.follow import follow
from rag.errors import AegisError, Unavailable
from rag.model import Json

RESULT: Json = {"backup": "b1"}
EVENTS: tuple[tuple[str, Json], ...] = (
    ("state", {"state": "queued", "stage": "snapshot", "attempts": 0}),
    ("state", {"state": "running", "stage": "snapshot", "attempts": 1}),
    ("state", {"state": "queued", "stage": "upload", "attempts": 0}),
    ("state", {"state": "running", "stage": "upload", "attempts": 1}),
    ("progress", {"done": 250_000_000, "total": 1_000_000_000}),
    ("progress", {"done": 750_000_000, "total": 1_000_000_000}),
    ("state", {"state": "running", "stage": "seal", "attempts": 1}),
    ("state", {"state": "succeeded", "stage": "seal", "attempts": 1}),
    ("result", RESULT),
)


_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Of a terminal."""


class Api:
    """A job that is told of by events; ``cut``: where its first stream breaks off; ``lost``: for good."""

    def __init__(self, kind: str = "backup", *, cut: int | None = None, lost: bool = False) -> None:
        self.calls: list[str] = []
        self._kind, self._cut, self._lost = kind, cut, lost

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request.url.path)
        if self._lost and len(self.calls) > 2:
            raise httpx.ConnectError("connection refused")
        if request.url.path.endswith("/events"):
            return self._events(request)
        state = "succeeded" if "wait" in request.url.params else "running"
        job = {"kind": self._kind, "state": state, "stage": "seal", "result": RESULT}
        return httpx.Response(200, json=job)

    def _events(self, request: httpx.Request) -> httpx.Response:
        after = int(request.headers.get("Last-Event-ID", -1))
        until, self._cut = self._cut, None
        told = list(enumerate(EVENTS))[after + 1 : until]
        return httpx.Response(200, content=b"".join(_sent(number, *event) for number, event in told))


def _sent(number: int, kind: str, data: Json) -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def followed(api: Api, *, terminal: bool = False) -> tuple[Json, str]:
    """The job's result, and what was printed."""
    printed = StringIO()
    console = Console(file=printed, force_terminal=terminal, width=120, highlight=False)
    with Client("http://api.test", transport=httpx.MockTransport(api)) as client:
        return follow(client, console, "1"), printed.getvalue()


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "sleep", lambda *_: False)


def test_a_line_is_printed_for_each_stage_that_is_done() -> None:
    result, printed = followed(Api())

    assert result == RESULT
    assert [line.split()[:2] for line in printed.splitlines()] == [
        ["✓", "snapshot"], ["✓", "upload"], ["✓", "seal"]
    ]  # fmt: skip


def test_a_terminal_shows_how_far_a_stage_is() -> None:
    _, printed = followed(Api(), terminal=True)

    lines = [_CODE.sub("", line) for line in re.split(r"[\r\n]+", printed)]
    assert any(re.search(r"upload [━╺╸]+ 0\.8/1\.0 GB", line) for line in lines)
    assert not any(re.search(r"seal .*1\.0 GB", line) for line in lines), "each stage has its own total"
    assert sum("✓" in line for line in lines) == 3


def test_what_is_not_counted_in_bytes_is_counted_in_pieces() -> None:
    _, printed = followed(Api("reindex"), terminal=True)

    assert "750000000/1000000000" in printed


def test_a_long_job_costs_a_few_calls() -> None:
    api = Api()

    followed(api)

    assert api.calls == ["/v1/jobs/1", "/v1/jobs/1/events", "/v1/jobs/1"]


def test_an_api_that_restarts_meanwhile_changes_nothing() -> None:
    whole, broken = followed(Api()), followed(Api(cut=5))

    assert [line.split()[1] for line in broken[1].splitlines()] == [
        line.split()[1] for line in whole[1].splitlines()
    ]
    assert broken[0] == whole[0]


def test_an_api_that_stays_away_ends_the_following_and_not_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.client.connection.AWAY_SECONDS", 3.0)

    with pytest.raises(AegisError, match=r"(?s)job 1 .*go on.*refused.*aegis jobs 1") as raised:
        followed(Api(cut=3, lost=True))

    assert isinstance(raised.value, Unavailable)
