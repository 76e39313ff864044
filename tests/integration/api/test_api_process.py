"""The server as it is started for real: several processes, one port, an orderly end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from api.calls.parts import build
from rag.model import JobKind, NewJob, Stage
from tests.integration.apiserver import settings_of


@pytest.fixture
def address(valkey, tmp_path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of a server with two workers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "REDIS_URL": valkey,
        "AEGIS_HOME": str(tmp_path),
        "API_HOST": "127.0.0.1",
        "API_PORT": str(port),
        "API_WORKERS": "2",
        "RATE_LIMIT_REQUESTS_PER_MINUTE": "0",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "api.server"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_alive(url)
        yield url, server
    finally:
        server.kill()
        server.wait(10)


def wait_until_alive(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx.get(f"{url}/health/live").raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def test_processes_count_together_and_end_their_streams_when_told(address, valkey, tmp_path):
    url, server = address
    job = NewJob("job-1", JobKind.QUERY, Stage.EMBED_QUERY, "c", {})
    build(settings_of(valkey, tmp_path)).jobs.accept(job)

    for _ in range(20):  # a connection each, so that both processes get some
        httpx.get(f"{url}/v1/jobs/job-1").raise_for_status()
    seen = {httpx.get(f"{url}/metrics").text for _ in range(4)}
    with httpx.stream("GET", f"{url}/v1/jobs/job-1/events", timeout=20) as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: state"
        server.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert "state" in "".join(lines)  # ends cleanly: a cut stream raises

    assert all(
        'http_requests_total{handler="/v1/jobs/{job_id}",method="GET",status="200"} 20.0' in m for m in seen
    )
    assert server.wait(15) is not None
    assert time.monotonic() - started < 10
