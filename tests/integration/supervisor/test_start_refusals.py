"""Real processes that may not start end within seconds, with a line for each reason and no traceback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.brokers import valkey_with
from tests.jinaserver import Jina, serving
from tests.s3server import S3Server
from tests.system.running import free_port

PATIENCE = 120  # seconds, on a machine that is busy with other tests

WORKER = ("celery", "-A", "workers.main", "worker", "--concurrency", "1")
PARSE = (*WORKER, "--queues", "parse", "--pool", "prefork", "--time-limit", "900")
EMBED = (*WORKER, "--queues", "embed", "--pool", "prefork", "--time-limit", "900")
EMBED_QUERY = (*WORKER, "--queues", "embed-query", "--pool", "solo")
RERANK = (*WORKER, "--queues", "rerank", "--pool", "solo")
BEAT = ("celery", "-A", "beat.main", "beat", "--pidfile", "")
API = ("api.server",)


class Started:
    """A process of the service on a broker."""

    def __init__(self, *command: str, broker: str, home: Path, **settings: str) -> None:
        environment = {
            **os.environ,
            "REDIS_URL": broker,
            "AEGIS_HOME": str(home),
            "API_HOST": "127.0.0.1",
            "PYTHONWARNINGS": "ignore",  # Celery's, of running as root
            "API_WORKERS": "1",
            "API_PORT": str(free_port()),
            "LOG_LEVEL": "CRITICAL",
            **settings,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def refused(self) -> list[str]:
        """The lines it left on stderr."""
        try:
            said = self._process.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        assert self._process.returncode != 0, said
        return said.splitlines()


@pytest.fixture
def risky() -> Iterator[str]:
    """A broker that may drop jobs, and forgets all of them when it restarts."""
    with valkey_with("--appendonly", "no", "--maxmemory-policy", "allkeys-lru") as address:
        yield address


def test_a_worker_with_unsafe_options_ends_with_one_line(valkey: str, tmp_path: Path) -> None:
    cases = {
        (*RERANK, "--time-limit", "60"): "--time-limit does nothing on the solo pool",
        (*PARSE, "--concurrency", "4"): "--concurrency is 4",
        (*PARSE, "--autoscale", "3,1"): "--concurrency is 1 to 3",
        (*PARSE, "--time-limit", "2000"): "less than VISIBILITY_TIMEOUT, 1020",
        (*PARSE, "--queues", "nonsense"): "exactly one lane",
        (*PARSE, "--exclude-queues", "parse"): "exactly one lane",
        (*RERANK, "--pool", "threads"): "lane rerank needs --pool solo",
    }
    processes = [Started(*command, broker=valkey, home=tmp_path) for command in cases]

    for process, reason in zip(processes, cases.values(), strict=True):
        (line,) = process.refused()
        assert line.startswith("worker cannot start: ")
        assert reason in line


def test_wrong_settings_are_one_line_of_every_process(valkey: str, tmp_path: Path) -> None:
    commands = (PARSE, BEAT, API)
    processes = [
        Started(*command, broker=valkey, home=tmp_path, STALE_LEASE_SECONDS="1000") for command in commands
    ]

    for process in processes:
        (line,) = process.refused()
        assert "STALE_LEASE_SECONDS (1000) must be over VISIBILITY_TIMEOUT (1020)" in line


def test_a_worker_whose_model_server_knows_no_such_key_ends_with_one_line(
    valkey: str, tmp_path: Path
) -> None:
    with serving(Jina()) as server:
        settings = {"JINA_BASE_URL": server.url, "JINA_API_KEY": "jina_wrong"}
        processes = [
            Started(*command, broker=valkey, home=tmp_path, **settings) for command in (EMBED, EMBED_QUERY)
        ]
        for process in processes:
            (line,) = process.refused()
            assert line.startswith(f"worker cannot start: {server.url}: 401")
            assert "check JINA_API_KEY" in line


def test_no_process_starts_on_a_broker_that_could_lose_jobs(risky: str, tmp_path: Path) -> None:
    commands = (PARSE, BEAT, API)
    processes = [Started(*command, broker=risky, home=tmp_path) for command in commands]

    for process in processes:
        lines = process.refused()
        assert len(lines) == 2
        assert "appendonly is off" in lines[0]
        assert "maxmemory-policy is allkeys-lru" in lines[1]


def test_a_server_of_several_processes_ends_too(risky: str, tmp_path: Path) -> None:
    server = subprocess.run(
        [sys.executable, "-m", *API],
        env={
            **os.environ,
            "REDIS_URL": risky,
            "AEGIS_HOME": str(tmp_path),
            "API_HOST": "127.0.0.1",
            "API_PORT": str(free_port()),
            "API_WORKERS": "2",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert "the API cannot start: the broker's appendonly is off" in server.stderr
    assert "Traceback" not in server.stderr


def test_options_are_refused_where_settings_are_meant(valkey: str, tmp_path: Path) -> None:
    said = Started(*API, "--port", "8000", broker=valkey, home=tmp_path).refused()
    assert said[-1].endswith("unrecognized arguments: --port 8000")


def test_no_process_that_keeps_blobs_starts_on_a_bucket_that_refuses_it(
    valkey: str, s3: S3Server, tmp_path: Path
) -> None:
    wrong = {**s3.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}
    processes = [Started(*command, broker=valkey, home=tmp_path, **wrong) for command in (PARSE, API)]

    for process in processes:
        (line,) = process.refused()
        assert "cannot start: Blob store s3://" in line
        assert "AWS_SECRET_ACCESS_KEY is wrong" in line
