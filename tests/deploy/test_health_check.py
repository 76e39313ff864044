"""The health check of the images: deploy/docker/healthy, against servers and files that are well or not."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import time

import pytest

from rag.redis.embedded import bundled_server
from tests.system.running import free_port, until

ROOT = Path(__file__).parents[2]
HEALTHY = ROOT / "deploy/docker/healthy"
OK = b"HTTP/1.1 200 OK\r\n\r\n"
_ABSENT = re.compile(r"\b(curl|wget)\b")
"""Programs that python:3.11-slim has not, whatever stands in for it here has."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="containers are Linux")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one program that the check may start."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "find").symlink_to("/usr/bin/find")
    return folder


@pytest.fixture
def alive(programs: Path, tmp_path: Path) -> Callable[..., bool]:
    """Whether the check calls the part alive that runs with the settings."""

    def check(part: str, **settings: object) -> bool:
        given = {name: str(value) for name, value in settings.items()}
        environment = {"PATH": str(programs), "LIVENESS_FILE": str(tmp_path / "alive"), **given}
        done = subprocess.run(["/bin/bash", HEALTHY, part], env=environment, check=False, timeout=60)
        assert done.returncode in (0, 1)
        return done.returncode == 0

    return check


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server on a port that gives each caller that answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)

        Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(("part", "setting"), [("api", "API_PORT"), ("flower", "FLOWER_PORT")])
@pytest.mark.parametrize(
    ("answer", "well"),
    [
        (OK, True),
        (b"HTTP/1.0 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"+PONG\r\n", False),
        (b"", False),
    ],
)
def test_the_api_and_flower_are_asked_for_a_page(
    alive, part: str, setting: str, answer: bytes, well: bool
) -> None:
    with answering(answer) as port:
        assert alive(part, **{setting: port}) is well


@pytest.mark.parametrize("part", ["api", "flower", "broker"])
def test_a_port_on_which_nobody_listens_is_no_sign_of_life(alive, part: str) -> None:
    port = free_port()

    assert not alive(part, API_PORT=port, FLOWER_PORT=port, BROKER_PORT=port, BROKER_HOST="0.0.0.0")


@pytest.mark.parametrize("host", ["", "0.0.0.0", "127.0.0.1", "localhost"])
def test_it_calls_the_address_on_which_the_api_listens(alive, host: str) -> None:
    with answering(OK) as port:
        assert alive("api", API_HOST=host, API_PORT=port)


@pytest.mark.parametrize("part", ["worker-embed", "beat", "vectors"])
def test_a_worker_beat_and_the_engine_are_judged_by_the_age_of_their_file(
    alive, part: str, tmp_path: Path
) -> None:
    file = tmp_path / "alive"

    assert not alive(part), "it has not begun"
    file.touch()
    assert alive(part)
    _age(file, 35)
    assert alive(part)
    _age(file, 45)
    assert not alive(part)
    assert alive(part, LIVENESS_SECONDS=60)


@contextmanager
def broker(folder: Path, *options: str) -> Iterator[tuple[int, Path]]:
    port, path = free_port(), folder / "run/broker.sock"
    path.parent.mkdir()
    words = [bundled_server(), "--port", str(port), "--unixsocket", str(path), "--dir", str(folder), *options]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL)
    try:
        until(path.exists)
        yield port, path
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("options", [(), ("--requirepass", "a-password-of-some-length")])
def test_a_broker_that_answers_is_alive_also_where_it_asks_for_a_password(
    alive, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with broker(tmp_path, *options) as (port, _):
        assert alive("broker", BROKER_HOST="0.0.0.0", BROKER_PORT=port)


def test_a_broker_without_a_port_is_seen_by_its_socket(alive, tmp_path: Path) -> None:
    with broker(tmp_path):
        assert alive("broker", AEGIS_HOME=tmp_path)

    assert not alive("broker", AEGIS_HOME=tmp_path)


def test_no_file_of_the_deployment_calls_what_the_images_lack() -> None:
    files = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]

    assert not [f"{path.relative_to(ROOT)}: {line}" for path in files for line in _calls_of_absent(path)]


def _calls_of_absent(path: Path) -> list[str]:
    """Lines that name such a program, but for comments."""
    lines = path.read_text("utf-8", "replace").splitlines()
    return [line for line in lines if _ABSENT.search(line.partition("#")[0])]


def _age(file: Path, seconds: float) -> None:
    at = time() - seconds
    os.utime(file, (at, at))
