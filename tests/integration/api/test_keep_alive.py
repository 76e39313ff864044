"""How long the API keeps a connection on which nobody asks anything, so that load balancers use it again."""

import http.client
import time
from pathlib import Path

from api.http.connections import Bounds
from tests.integration.apiserver import Service, serving, settings_of
from tests.system.running import until


def connected(service: Service) -> http.client.HTTPConnection:
    """A connection on which one request was answered."""
    url = service.http.base_url
    connection = http.client.HTTPConnection(url.host, url.port, timeout=20)
    ask(connection)
    return connection


def ask(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/health/live")
    assert connection.getresponse().read()


def is_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the other side has ended the connection."""
    connection.sock.setblocking(False)
    try:
        return connection.sock.recv(1) == b""
    except BlockingIOError:
        return False
    finally:
        connection.sock.setblocking(True)


def test_a_load_balancer_finds_its_connection_open_after_a_pause(valkey: str, tmp_path: Path) -> None:
    hasty = Bounds(head_seconds=0.5)  # for a head that has begun to come
    with serving(settings_of(valkey, tmp_path), hasty) as service:
        connection = connected(service)
        time.sleep(2)

        ask(connection)


def test_it_is_closed_after_the_time_that_is_set(valkey: str, tmp_path: Path) -> None:
    with serving(settings_of(valkey, tmp_path, api_keep_alive=1)) as service:
        connection = connected(service)
        begun = time.monotonic()

        until(lambda: is_closed(connection), seconds=20)

    assert time.monotonic() - begun > 0.5
