"""Whoever publishes does so to our broker from the first message on, says when it cannot, and heals."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import redis

from tasks.lanes import lane_of
from tests.integration.brokers import valkey_with
from tests.integration.firstsubmits import BURST, STAGES
from tests.integration.supervisor.test_start_refusals import API, BEAT, PARSE, Started
from tests.system.running import free_port, until

AT_ONCE = 4
"""Processes, more than there are cores: so they are interrupted anywhere."""

PATIENCE = 120.0  # seconds, on a machine that is busy with other tests
MAINTENANCE = "{aegis}:queue:maintenance"
BELLS = tuple(f"{{aegis}}:queue:{lane_of(stage).name}\x06\x163" for stage in STAGES)
ELSEWHERE = "redis://…@broker.example:6379/0"


@pytest.fixture
def broker() -> Iterator[str]:
    """Address of an empty server, without limits."""
    with valkey_with("--appendonly", "yes", "--appendfsync", "no") as address:
        yield address


def first_submits(broker: str, home: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.integration.firstsubmits", *options],
        env={**os.environ, "REDIS_URL": broker, "AEGIS_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.timeout(900)
def test_every_process_publishes_to_its_broker_whatever_comes_first(
    broker: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    count = pytestconfig.getoption("first_submits", 200)
    with ThreadPoolExecutor(AT_ONCE) as starting:
        ended = list(starting.map(lambda _: first_submits(broker, tmp_path), range(count)))

    assert [(end.returncode, end.stderr) for end in ended if end.returncode] == []
    with redis.Redis.from_url(broker) as client:
        assert all(1 <= client.llen(bells) <= BURST * AT_ONCE for bells in BELLS)


def test_submits_in_the_middle_of_celerys_configuration_find_it_complete(broker: str, tmp_path: Path) -> None:
    assert first_submits(broker, tmp_path, "--slow").returncode == 0
    # and without what the API does first, they do not: this test can fail
    assert first_submits(broker, tmp_path, "--slow", "--unprepared").returncode == 1


@pytest.mark.parametrize(
    "variable", ["CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_BROKER_READ_URL"]
)
def test_no_process_starts_whose_messages_would_go_elsewhere(
    valkey: str, tmp_path: Path, variable: str
) -> None:
    commands = (PARSE, BEAT, API)
    processes = [
        Started(*command, broker=valkey, home=tmp_path, **{variable: ELSEWHERE}) for command in commands
    ]

    for process in processes:
        (line,) = process.refused()
        assert f"cannot start: Celery would use the broker {ELSEWHERE} instead of redis+socket://" in line
        assert "unset CELERY_BROKER_URL" in line


class Serving:
    """An API process on a broker, its log in a file."""

    def __init__(self, broker: str, home: Path) -> None:
        self._log = home / "api.log"
        port = free_port()
        environment = {
            **os.environ,
            "REDIS_URL": broker,
            "AEGIS_HOME": str(home),
            "API_HOST": "127.0.0.1",  # else a start without keys is refused
            "API_PORT": str(port),
            "API_WORKERS": "1",
        }
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *API],
                env=environment,
                stdout=out,
                stderr=out,
            )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

    def close(self) -> None:
        self.http.close()
        self._process.kill()
        self._process.wait(30)

    def told(self, words: str) -> int:
        """How often its log has them."""
        return self._log.read_text().count(words)

    def publishes(self) -> bool | None:
        """As the health page has it; None before it answers."""
        try:
            page = self.http.get("/health/ready", params={"component": "publishing"})
        except httpx.TransportError:
            return None
        shown = bool(page.json()["components"]["publishing"]["ready"])
        assert page.status_code == (200 if shown else 503)
        return shown

    def figure(self, name: str) -> float:
        lines = self.http.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])

    def ask(self) -> float:
        """Seconds that a submit took."""
        begun = time.monotonic()
        answer = self.http.post("/v1/queries", json={"question": "Why?"})
        assert answer.status_code == 202, answer.text
        return time.monotonic() - begun


@pytest.fixture
def api(broker: str, tmp_path: Path) -> Iterator[Serving]:
    """A process that cannot publish from its start on, since what should be a queue is none."""
    with redis.Redis.from_url(broker) as client:
        client.set(MAINTENANCE, "no queue")
    serving = Serving(broker, tmp_path)
    yield serving
    serving.close()


def test_a_process_that_cannot_publish_says_so_accepts_jobs_at_once_and_heals(
    api: Serving, broker: str
) -> None:
    until(lambda: api.publishes() is False, PATIENCE)  # though nobody has submitted anything
    assert max(api.ask() for _ in range(20)) < 3

    with redis.Redis.from_url(broker) as client:
        assert api.publishes() is False
        assert client.llen(BELLS[0]) == 0
        until(lambda: api.figure("aegis_api_publishing") == 0)  # it is a second old at most
        until(lambda: api.figure("aegis_api_jobs_unqueued_total") == 20)
        assert api.told("this process cannot send messages to workers") == 1

        client.delete(MAINTENANCE)
        until(api.publishes, PATIENCE)  # though nobody submits anything

        api.ask()
        assert client.llen(BELLS[0]) > 0
    until(lambda: api.figure("aegis_api_publishing") == 1)
    assert api.told("jobs can be queued by this process again") == 1
    assert api.told("Traceback") == 0
