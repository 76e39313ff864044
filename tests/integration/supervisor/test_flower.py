"""Flower as the stack starts it: who may see it, and that nobody steers it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.supervisor.container import choose
from cli.supervisor.services import FLOWER
from rag.settings import Settings
from tests.system.running import free_port, until

PAGE = {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}
STEERING = (
    "/api/worker/shutdown/parse@here", "/api/worker/pool/grow/parse@here", "/api/task/send-task/aegis.parse",
    "/api/task/revoke/1",
)  # fmt: skip


@contextmanager
def flower(valkey: str, home: Path, **fields: Any) -> Iterator[httpx.Client]:
    """Flower on a free port of this machine, over a broker without workers."""
    port = free_port()
    values = {"redis_url": valkey, "aegis_home": home, "api_host": "127.0.0.1", "flower_port": port, **fields}
    part = choose([FLOWER], Settings.model_validate(values))
    ours = {"REDIS_URL": valkey, "AEGIS_HOME": str(home), "API_HOST": "127.0.0.1"}
    environment = {**os.environ, **ours, **part.environment}
    process = subprocess.Popen([sys.executable, *part.command[1:]], env=environment)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            until(lambda: _answers(http), 120)
            yield http
    finally:
        process.terminate()
        process.wait(30)


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthcheck").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_without_a_password_it_shows_and_has_no_api(valkey: str, tmp_path: Path) -> None:
    with flower(valkey, tmp_path) as http:
        page = http.get("/")
        foreign = http.get("/tasks/datatable", headers=PAGE)

        assert page.status_code == 200
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "access-control-allow-origin" not in page.headers
        locked = http.get("/api/workers")
        assert locked.status_code == 401
        assert "set FLOWER_BASIC_AUTH=user:password" in locked.text
        assert "UNAUTHENTICATED" not in locked.text
        assert {http.post(path).status_code for path in STEERING} == {401}
        assert {http.post(path, headers=PAGE).status_code for path in STEERING} == {403}
        assert http.get("/", headers={"Host": "evil.example:5555"}).status_code == 403
        assert (foreign.status_code, foreign.headers["content-type"]) == (403, "text/plain; charset=UTF-8")


def test_with_a_password_it_has_an_api_that_no_page_elsewhere_reaches(valkey: str, tmp_path: Path) -> None:
    login = {"auth": ("me", "secret")}
    with flower(valkey, tmp_path, flower_basic_auth="me:secret") as http:
        assert http.get("/").status_code == 401
        assert http.get("/api/workers").status_code == 401
        assert http.get("/api/workers", **login).status_code == 200
        assert {http.post(path, headers=PAGE, **login).status_code for path in STEERING} == {403}
        assert http.get("/api/workers", headers=PAGE, **login).status_code == 403
        assert http.post("/api/task/revoke/1", **login).status_code != 403


@pytest.mark.parametrize("fields", [{}, {"flower_basic_auth": "me:secret"}])
def test_its_command_names_no_password(fields: dict[str, str]) -> None:
    part = choose([FLOWER], Settings.model_validate({"api_host": "127.0.0.1", **fields}))

    assert "secret" not in " ".join(part.command)


@pytest.mark.parametrize("fields", [{}, {"flower_basic_auth": "me:secret"}])
def test_nobody_makes_it_gather_or_wait(valkey: str, tmp_path: Path, fields: dict[str, str]) -> None:
    head = b"POST /api/task/apply/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    chunks = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    too_much = {
        "a length of 100 MB": head + b"Content-Length: 100000000\r\n\r\n" + b"x" * 100_000,
        "chunks without an end": chunks + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 3,
        "headers without an end": head + b"X-A: " + b"x" * 100_000,
    }
    unfinished = {
        "half a body": head + b"Content-Length: 1000\r\n\r\n" + b"x" * 10,
        "half a head": head,
        "nothing": b"",
    }
    with flower(valkey, tmp_path, **fields) as http:
        address = ("127.0.0.1", http.base_url.port or 0)
        # When all are sent at once, then each of them is ended
        with ExitStack() as closing:
            waiting = {}
            for name, sent in (too_much | unfinished).items():
                waiting[name] = closing.enter_context(socket.create_connection(address, 60))
                with suppress(ConnectionError):  # it was refused while it was being sent
                    waiting[name].sendall(sent)
            answers = {name: _all_of(connection) for name, connection in waiting.items()}

        assert answers["a length of 100 MB"].startswith((b"HTTP/1.1 400", b"ended"))
        assert not any(b"HTTP/1.1 200" in answer for answer in answers.values())
        assert http.get("/healthcheck").status_code == 200


def test_silent_connections_are_bounded_and_end(valkey: str, tmp_path: Path) -> None:
    with flower(valkey, tmp_path) as http, ExitStack() as closing:
        address = ("127.0.0.1", http.base_url.port or 0)
        http.close()  # its own connection counts too

        held = [closing.enter_context(socket.create_connection(address, 60)) for _ in range(410)]
        until(lambda: len(_ended(held)) >= 10, 8)
        assert len(_ended(held)) < 20

        until(lambda: len(_ended(held)) == len(held), 60)
        assert httpx.get(str(http.base_url.join("/healthcheck")), timeout=30).status_code == 200


def _ended(connections: list[socket.socket]) -> list[socket.socket]:
    """Those that the other side has closed."""
    ended = []
    for connection in connections:
        connection.setblocking(False)
        with suppress(BlockingIOError):
            if not connection.recv(1, socket.MSG_PEEK):
                ended.append(connection)
    return ended


def _all_of(connection: socket.socket) -> bytes:
    """What comes until the connection ends. TimeoutError when it does not within a minute."""
    answer = b""
    try:
        while some := connection.recv(65536):
            answer += some
    except ConnectionError:
        return answer or b"ended"
    return answer
