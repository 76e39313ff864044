"""Flower as the stack starts it: who may see it, and that nobody steers it."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from celery.events.state import Task
from flower.urls import handlers
from tornado.web import URLSpec

from cli.supervisor.container import choose
from cli.supervisor.flower import formatter
from cli.supervisor.services import FLOWER
from rag.settings import Settings
from tests.chromium import Chromium
from tests.system.running import free_port, until

PAGE = {"Origin": "http://127.0.0.1:3000", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}
LINKS = "return [...document.querySelectorAll('a[href], link[href]')].map((each) => each.href);"
STEERING = (
    "/api/worker/shutdown/parse@here", "/api/worker/pool/grow/parse@here", "/api/task/send-task/aegis.parse",
    "/api/task/revoke/1",
)  # fmt: skip


@contextmanager
def flower(
    valkey: str, home: Path, more: Mapping[str, str] = MappingProxyType({}), **fields: Any
) -> Iterator[httpx.Client]:
    """Flower on a free port of this machine, over a broker without workers. ``more``: its own variables."""
    port = free_port()
    values = {"redis_url": valkey, "aegis_home": home, "api_host": "127.0.0.1", "flower_port": port, **fields}
    part = choose([FLOWER], Settings.model_validate(values))
    given = {name.upper(): str(value) for name, value in values.items()}
    environment = {**os.environ, **given, **part.environment, **more}
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
        assert http.get("/metrics").status_code == 200
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


PUBLIC = ("/healthcheck", "/static/", "/login", "/logout")
"""Paths without anything about tasks, workers or queues: "OK", scripts and styles, the way in and out."""

SIGN_IN = {
    "FLOWER_AUTH_PROVIDER": "flower.views.auth.OktaLoginHandler",
    "FLOWER_OAUTH2_OKTA_BASE_URL": "https://sign-in.example.com",
    "FLOWER_OAUTH2_KEY": "key",
    "FLOWER_OAUTH2_SECRET": "secret",
    "FLOWER_OAUTH2_REDIRECT_URI": "https://rag.example.com/login",
}


def guarded_paths() -> list[str]:
    """A path of every page and call of Flower that shows or does something."""
    patterns = [each.regex.pattern if isinstance(each, URLSpec) else each[0] for each in handlers]
    paths = [re.sub(r"\(.*\)", "1", pattern.removesuffix("$")) for pattern in patterns if pattern != ".*"]
    return [path for path in paths if not path.startswith(PUBLIC)]


def test_a_password_guards_every_page_and_call_and_the_figures(valkey: str, tmp_path: Path) -> None:
    paths = guarded_paths()
    assert {"/", "/tasks", "/tasks/datatable", "/metrics", "/api/tasks"} <= {*paths}

    with flower(valkey, tmp_path, flower_basic_auth="me:secret") as http:
        for method, path in product(("GET", "POST"), paths):
            answer = http.request(method, path)
            assert answer.status_code in (401, 405), (method, path)
            assert "aegis." not in answer.text
        assert http.get("/metrics", auth=("me", "wrong")).status_code == 401
        assert "flower_" in http.get("/metrics", auth=("me", "secret")).text
        assert http.get("/healthcheck").text == "OK"


def test_its_figures_are_open_where_that_is_meant(valkey: str, tmp_path: Path) -> None:
    fields = {"flower_basic_auth": "me:secret", "flower_open_metrics": True}
    with flower(valkey, tmp_path, **fields) as http:
        assert http.get("/metrics").status_code == 200
        assert http.get("/tasks").status_code == 401


def test_who_signs_in_elsewhere_sees_nothing_before(valkey: str, tmp_path: Path) -> None:
    with flower(valkey, tmp_path, SIGN_IN, flower_auth=r".*@example\.com") as http:
        for path in guarded_paths():
            answer = http.get(path)
            assert answer.status_code in (302, 401, 405), path
            assert answer.headers.get("location", "/login").startswith("/login")
        assert http.get("/login").headers["location"].startswith("https://sign-in.example.com/")


def test_it_works_below_a_path(valkey: str, tmp_path: Path, browser: Chromium) -> None:
    with flower(valkey, tmp_path, flower_url_prefix="/ops/flower/") as http:
        assert http.get("/ops/flower/tasks").status_code == 200
        assert http.get("/tasks").status_code == 404
        assert http.get("/ops/flower/api/workers").status_code == 401
        for path in ("/healthcheck", "/metrics", "/ops/flower/healthcheck", "/ops/flower/metrics"):
            assert http.get(path).status_code == 200
        before = len(browser.errors)

        links = browser.run(f"{http.base_url}/ops/flower/tasks", LINKS)

        assert {urlsplit(link).path for link in links} >= {"/ops/flower/workers", "/ops/flower/broker"}
        ours = [link for link in links if link.startswith(str(http.base_url))]
        assert {http.get(urlsplit(link).path).status_code for link in ours} == {200}
        assert browser.errors[before:] == []


def test_a_task_shows_the_page_of_the_job_that_it_was_sent_for() -> None:
    job, show = "01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11", formatter("https://rag.example.com")

    sent = show(Task(uuid=f"{job}.embed.9f2c61", args="()"))
    scheduled = show(Task(uuid="4b1c9d00-0000-4000-8000-000000000000", args="()"))

    assert sent.args == f"https://rag.example.com/console/job.html#{job}"
    assert scheduled.args == "()"


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
