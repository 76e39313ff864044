"""A real Valkey server for every test that asks for one, emptied before each, and a real S3 server."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rag.redis.connection import PREFIX, connect_to
from rag.redis.embedded import bundled_server
from tests.integration.brokers import declare_intact
from tests.s3server import S3Server, s3_server
from tests.system.running import free_port, until

_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 6 << 30


def pytest_configure() -> None:
    """Take no settings from files. Let files be in memory where there is plenty, unless TMPDIR says where.

    The vector engine allocates and syncs so many that on a disk most of the tests' time is waiting for it.
    """
    os.environ["AEGIS_CONFIG"] = "none"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script: ours would too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # pytest has asked for it already
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="aegis-state-")  # stacks of tests are no user's


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[str]:
    """Address of a server of this test run, in redis-py's spelling.

    It is a cluster of one node, so that each command, script and transaction of every test has to keep
    to one slot.
    """
    with tempfile.TemporaryDirectory(prefix="aegis-", dir="/tmp") as folder:
        socket = Path(folder) / "valkey.sock"
        command = [str(bundled_server()), "--port", "0", "--unixsocket", str(socket), "--dir", folder]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "no"]  # none starts without
        command += ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
        command += ["--loglevel", "warning", "--logfile", "valkey.log"]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"unix://{socket}"
        try:
            _wait_for_answer(url)
            _make_cluster(url)
            yield url
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def valkey(valkey_server: str) -> str:
    """Address of an empty database whose records count as intact, in redis-py's spelling."""
    with connect_to(valkey_server) as client:
        strays = [key for key in client.scan_iter(count=1000) if not key.startswith(PREFIX.encode())]
        assert not strays, "an earlier test left keys outside Aegis' slot"
        client.flushall()
        declare_intact(client)
    return valkey_server


@pytest.fixture
def redis_client(valkey: str) -> Iterator[redis.Redis]:
    with connect_to(valkey) as client:
        yield client


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server of this test run."""
    with s3_server() as server:
        yield server


def _make_cluster(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")


def _wait_for_answer(url: str, *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return
