"""The users of ``deploy/redis/users.acl``: the whole service works with them, and they can do no more."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import redis

from rag.redis.embedded import bundled_server
from tasks.lanes import LANES
from tests.system.running import UNSCHEDULED, free_port, until

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "deploy/redis/users.acl"
PATIENCE = 300.0  # seconds, on a machine that is busy with other tests
ADMIN = "admin"
KEY = "root-of-all-the-keys"
ROLES = {
    "aegis-api": ("api",),
    "aegis-worker": tuple(f"worker-{lane.name}" for lane in LANES),
    "aegis-beat": ("beat",),
    "aegis-flower": ("flower",),
    "aegis-supervisor": ("vectors",),
}
FORBIDDEN = (
    "CONFIG GET maxmemory",
    "KEYS *",
    "SCAN 0",
    "FLUSHALL",
    "FLUSHDB",
    "MODULE LIST",
    "DEBUG SLEEP 0",
    "SCRIPT FLUSH",
    "ACL LIST",
    "MONITOR",
    "SHUTDOWN",
    "EVAL return 0",
    "GET other",
    "SET {aegis} 1",
)


@dataclass(frozen=True)
class Server:
    port: int

    def url(self, user: str) -> str:
        return f"redis://{user}:{password(user)}@127.0.0.1:{self.port}/0"

    def client(self, user: str = ADMIN) -> "redis.Redis":
        return redis.Redis.from_url(self.url(user), socket_timeout=5)

    def denied(self) -> list[tuple[str, str]]:
        """User and object of each command or key that was refused."""
        with closing(self.client()) as client:
            return sorted({(entry["username"], entry["object"]) for entry in client.acl_log()})


def password(user: str) -> str:
    return f"secret-of-{user}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The bundled server with the example's users, and an administrator beside them."""
    with TemporaryDirectory(prefix="aegis-", dir="/tmp") as folder:
        users = Path(folder) / "users.acl"
        text = re.sub(r">CHANGE-ME-(\S+)", lambda found: f">{password(found[1])}", EXAMPLE.read_text())
        users.write_text(f"{text}user {ADMIN} on >{password(ADMIN)} ~* &* +@all\n")
        made = Server(free_port())
        words = ["--port", str(made.port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        words += ["--appendonly", "yes", "--appendfsync", "no", "--aclfile", str(users)]
        process = subprocess.Popen([str(bundled_server()), *words], stdout=subprocess.DEVNULL)
        try:
            until(lambda: process.poll() is not None or answers(made), 30)
            assert process.poll() is None, "the server does not take the example"
            yield made
        finally:
            process.kill()
            process.wait(10)


def answers(server: Server) -> bool:
    with suppress(redis.ConnectionError), closing(server.client()) as client:
        return bool(client.ping())
    return False


@contextmanager
def running(server: Server, home: Path, port: int) -> Iterator[None]:
    """Every part of the service, each as its role's user, as containers run them."""
    processes = []
    for user, parts in ROLES.items():
        environment = environment_of(server, user, home, port)
        for part in parts:
            command = [sys.executable, "-m", "cli.supervisor.container", part]
            with (home / f"{part}.log").open("wb") as log:
                processes.append(subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log))
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def environment_of(server: Server, user: str, home: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        **UNSCHEDULED,
        "REDIS_URL": server.url(user),
        "AEGIS_HOME": str(home),
        "API_HOST": "127.0.0.1",
        "API_PORT": str(port),
        "API_WORKERS": "1",
        "FLOWER_PORT": str(free_port()),
        "RATE_LIMIT_REQUESTS_PER_MINUTE": "100000",
        "MESSAGE_KEY": "signed-" * 5,
        "API_KEYS": json.dumps({KEY: {"name": "root", "role": "admin", "collections": ["*"]}}),
    }


def is_ready(http: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        components = http.get("/health/ready").json().get("components", {})
        return bool(components) and all(component["ready"] for component in components.values())
    return False


def ended(http: httpx.Client, accepted: httpx.Response) -> str:
    """The state that a job ends in."""
    job = {"state": accepted.text}
    for _ in range(4):
        job = http.get(accepted.json()["status_url"], params={"wait": 60}).json()
        if job["state"] not in ("queued", "running"):
            break
    return str(job["state"])


@pytest.mark.timeout(900)
def test_the_whole_service_works_with_them(server: Server, tmp_path: Path) -> None:
    port = free_port()
    with (
        running(server, tmp_path, port),
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=90, headers={"Authorization": f"Bearer {KEY}"}
        ) as http,
    ):
        until(lambda: is_ready(http), PATIENCE)
        text = {"text": "The blades of the turbine are made of a nickel alloy.", "document_id": "turbine"}
        question = {"question": "What are the blades made of?", "stream": True}

        assert ended(http, http.post("/v1/documents", json=text)) == "succeeded"
        assert (
            ended(http, http.post("/v1/documents", json=text, headers={"Idempotency-Key": "a"}))
            == "succeeded"
        )
        asked = http.post("/v1/queries", json=question)
        with http.stream("GET", f"{asked.json()['status_url']}/events") as events:
            assert any(line == "event: result" for line in events.iter_lines())
        assert "nickel" in http.get(asked.json()["status_url"]).json()["result"]["answer"]
        assert ended(http, http.post("/v1/backups", json={})) == "succeeded"
        for page in ("jobs", "documents", "collections", "dead-letters", "backups", "keys", "audit"):
            assert http.get(f"/v1/{page}").status_code == 200
        made = {"name": "reader", "role": "read", "collections": ["default"]}
        assert http.post("/v1/keys", json=made).status_code == 201
        until(lambda: len(http.get("/v1/audit").json()["items"]) > 0)
        assert "aegis_broker_up 1.0" in http.get("/metrics").text
        assert ended(http, http.delete("/v1/documents/turbine")) == "succeeded"
        doctor = subprocess.run(
            [sys.executable, "-m", "cli.main", "doctor", "--json"],
            env=environment_of(server, "aegis-supervisor", tmp_path, port),
            cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip

    assert "NOPERM" not in doctor.stdout + doctor.stderr
    assert server.denied() == []


@pytest.mark.parametrize("user", ROLES)
def test_none_of_them_can_do_more(server: Server, user: str) -> None:
    with closing(server.client(user)) as client:
        assert client.ping()
        for command in FORBIDDEN:
            name, *words = command.split()
            words += ["0"] * (name == "EVAL")
            with pytest.raises(redis.exceptions.ResponseError, match=r"permission|not allowed"):
                client.execute_command(name, *words)


def test_nobody_gets_in_without_a_name(server: Server) -> None:
    with redis.Redis(port=server.port) as stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()


def test_flower_and_beat_read_no_records(server: Server) -> None:
    for user in ("aegis-flower", "aegis-beat"):
        with closing(server.client(user)) as client, pytest.raises(redis.exceptions.NoPermissionError):
            client.hgetall("{aegis}:job:1")
