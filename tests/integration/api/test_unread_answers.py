"""Answers that nobody reads take little memory and end; slow readers get theirs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from api.calls.parts import build
from api.http.connections import Bounds
from tests.integration.apiprocess import Api, is_held, send, started
from tests.integration.apiserver import Service, serving, settings_of
from tests.integration.brokers import valkey_with

MIB = 1 << 20
TEXT = "Zeile für Zeile steht hier dasselbe.\n" * (32 * MIB // 38)
ASKED = b"GET /v1/documents/long/text HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with valkey_with("--appendonly", "yes", "--maxmemory-policy", "noeviction") as address:
        yield address


@pytest.fixture(scope="module")
def api(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home: Path = tmp_path_factory.mktemp("home")
    with started(broker, home) as running:
        with httpx.Client(base_url=running.url) as http:
            Service(http, build(settings_of(broker, home))).publish("long", TEXT)
        yield running


def test_a_long_text_comes_whole_and_in_part(api):
    with httpx.Client(base_url=api.url, timeout=60) as http:
        assert http.get("/v1/documents/long/text").text == TEXT
        part = http.get("/v1/documents/long/text", params={"start": 3_000_001, "end": 3_200_007})

    assert part.text == TEXT[3_000_001:3_200_007]
    assert part.headers["content-type"] == "text/plain; charset=utf-8"


def test_twenty_that_nobody_reads_take_little_memory(api):
    httpx.get(f"{api.url}/v1/documents/long/text", timeout=60).raise_for_status()
    before, most = api.memory, 0
    with ExitStack() as stack:
        unread = [stack.enter_context(api.connect(ASKED)) for _ in range(20)]
        for _ in range(40):
            most = max(most, api.memory - before)
            time.sleep(0.1)
        assert httpx.get(f"{api.url}/health/live", timeout=30).status_code == 200

        assert len(unread) == 20
        assert most < 60 * MIB  # it was 489


def test_who_does_not_read_is_left_and_who_reads_slowly_is_not(broker, tmp_path):
    bounds = Bounds(stalled_seconds=2, trickle=100_000)
    with serving(settings_of(broker, tmp_path), bounds) as service:
        service.publish("long", TEXT)
        host, port = service.http.base_url.host, service.http.base_url.port
        assert port is not None
        api = Api((host, port), None)  # type: ignore[arg-type]  # it is this very process
        with api.connect() as unread, api.connect() as slow:
            assert send(unread, ASKED)
            assert send(slow, ASKED)
            began = time.monotonic()
            while time.monotonic() - began < 8:
                assert slow.recv(100_000), "it was left"
                time.sleep(0.1)

            assert not is_held(unread)


def test_over_the_budget_those_that_wait_longest_are_ended(broker, tmp_path):
    with (
        serving(settings_of(broker, tmp_path), Bounds(unread=MIB, stalled_seconds=3600)) as service,
        ExitStack() as stack,
    ):
        service.publish("long", TEXT)
        host, port = service.http.base_url.host, service.http.base_url.port
        assert port is not None
        api = Api((host, port), None)  # type: ignore[arg-type]  # it is this very process
        unread = [stack.enter_context(api.connect(ASKED)) for _ in range(40)]
        deadline = time.monotonic() + 120
        left = unread
        while len(left) > 20 and time.monotonic() < deadline:
            time.sleep(0.5)
            left = [connection for connection in left if is_held(connection)]

        assert 0 < len(left) <= 20
        assert service.http.get("/v1/documents/long/text", params={"end": 5}).text == TEXT[:5]
