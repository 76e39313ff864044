"""The HTTP server of a worker's figures."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.system.running import until
from workers import metrics_page
from workers.metrics_page import MOST_CONNECTIONS, MetricsServer, serve


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    made = MetricsServer("127.0.0.1", 0, lambda as_openmetrics: b"open" if as_openmetrics else b"plain")
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def url_of(server: MetricsServer, path: str = "/metrics") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


@pytest.mark.parametrize(
    ("accept", "kind", "page"),
    [
        ("*/*", "text/plain", "plain"),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2",
            "application/openmetrics",
            "open",
        ),
        ('application/openmetrics-text;version=x"y', "application/openmetrics", "open"),
        ("x" * 9000, "text/plain", "plain"),
    ],
)
def test_a_scrape_gets_the_form_that_it_asks_for(
    server: MetricsServer, accept: str, kind: str, page: str
) -> None:
    answer = httpx.get(url_of(server), headers={"Accept": accept})

    assert (answer.status_code, answer.text) == (200, page)
    assert answer.headers["Content-Type"].startswith(kind)
    assert answer.headers["Server"].strip() == "aegis"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 501)])
def test_there_is_nothing_else(server: MetricsServer, method: str, path: str, status: int) -> None:
    assert httpx.request(method, url_of(server, path)).status_code == status


def test_connections_that_say_nothing_are_bounded_and_given_up(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_page._Handler, "timeout", 0.5)
    with ExitStack() as opened:
        silent = [
            opened.enter_context(socket.create_connection(server.server_address[:2], timeout=5))
            for _ in range(MOST_CONNECTIONS)
        ]
        further = opened.enter_context(socket.create_connection(server.server_address[:2], timeout=5))

        assert further.recv(1) == b"", "closed at once"
        assert all(each.recv(1) == b"" for each in silent), "closed after their time"

    until(lambda: httpx.get(url_of(server)).status_code == 200, 10)


def test_a_port_that_another_has_is_taken_once_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_page, "_RETRY_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        serve("127.0.0.1", port, lambda _: b"page")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=0.3)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=1).text == "page"
        except httpx.TransportError:
            return False

    until(answers, 10)
