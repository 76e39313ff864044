"""The embedded broker as a container runs it: on TCP, with a password, and refused without one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as Lost

from cli.supervisor.probes import redis_answers
from rag.errors import Refused
from rag.redis.connection import connect, connect_to, reaching_redis
from rag.settings import Settings
from tests.system.running import free_port, until

PASSWORD = 'p/ä @#"\\ss of %41 length'


@contextmanager
def running(home: Path, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.supervisor.container", "broker"],
        env={**os.environ, "AEGIS_HOME": str(home), **settings},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """What the other parts on the same machine have."""
    return Settings(
        aegis_home=tmp_path, broker_host="127.0.0.1", broker_port=free_port(), broker_password=PASSWORD
    )


@pytest.fixture
def broker(settings: Settings, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Started where REDIS_URL tells how the other parts reach it, as one environment for all does."""
    url = f"redis://127.0.0.1:{settings.broker_port}/0"
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n", "utf-8")
    words = {"BROKER_HOST": "127.0.0.1", "BROKER_PORT": str(settings.broker_port)}
    with running(tmp_path, REDIS_URL=url, BROKER_PASSWORD_FILE=str(secret), **words) as process:
        answers = redis_answers(settings.broker_socket, settings.broker_password)
        until(lambda: answers(process.pid) is None or process.poll() is not None)
        yield process


def test_who_knows_the_password_is_served_on_the_port_and_on_the_socket(
    broker: "subprocess.Popen[str]", settings: Settings
) -> None:
    with connect(settings) as near, connect_to(_url(settings, PASSWORD)) as far:
        near.set("a", 1)

        assert far.get("a") == b"1"
        assert far.config_get("appendonly") == {"appendonly": "yes"}
        assert far.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("password", [None, "another-one-of-some-length"])
def test_nobody_else_is(broker: "subprocess.Popen[str]", settings: Settings, password: str | None) -> None:
    with connect_to(_url(settings, password)) as stranger, pytest.raises(Refused), reaching_redis():
        stranger.get("a")

    assert redis_answers(settings.broker_socket)(broker.pid) is not None


def test_no_other_user_sees_the_password(broker: "subprocess.Popen[str]", settings: Settings) -> None:
    words = " ".join(psutil.Process(broker.pid).cmdline())
    file = settings.home / "redis" / "secrets.conf"

    assert "requirepass" not in words
    assert PASSWORD not in words
    assert file.stat().st_mode & 0o077 == 0


def test_a_password_that_is_taken_away_is_gone(broker: "subprocess.Popen[str]", settings: Settings) -> None:
    broker.terminate()
    broker.wait(30)

    open_ones = {"BROKER_HOST": "127.0.0.1", "BROKER_PORT": str(settings.broker_port)}
    with running(settings.home, **open_ones), connect_to(_url(settings, None)) as anybody:
        until(lambda: _answers(anybody))

    assert not (settings.home / "redis" / "secrets.conf").exists()


def test_it_does_not_open_to_everybody_by_mistake(tmp_path: Path) -> None:
    with running(tmp_path, BROKER_HOST="0.0.0.0", BROKER_PORT=str(free_port())) as process:
        assert process.wait(60) != 0
        assert process.stderr is not None
        (line,) = process.stderr.read().splitlines()

    assert line.startswith("aegis: BROKER_HOST: the broker would listen on 0.0.0.0 and ask for no password")


def _url(settings: Settings, password: str | None) -> str:
    login = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{login}127.0.0.1:{settings.broker_port}/0"


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except Lost:
        return False
