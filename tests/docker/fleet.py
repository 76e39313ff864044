"""Aegis in containers, one a part, as an orchestrator would run them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from docker import DockerClient
from docker.types import Healthcheck
from pytest_celery import CeleryTestContainer, CeleryTestWorker, RedisTestBroker

from rag.settings import Settings
from rag.vectors.edge.client import RemoteVectorStore
from tasks.app import app
from tasks.submit.submissions import LANES
from tests.chaos.texts import CHUNK_TOKENS
from tests.docker.containers import Broker, Vectors, Worker
from tests.system.running import UNSCHEDULED, free_port, until

BROKER, VECTORS, API, BEAT = "broker", "vectors", "api", "beat"
WORKERS = tuple(f"worker-{lane}" for lane in LANES)
WRAPPERS = {BROKER: Broker, VECTORS: Vectors, **dict.fromkeys(WORKERS, Worker)}

GRACE_SECONDS = 30
READY_SECONDS = 180.0
LABEL = "aegis-rag.test"

_KILLED = 128 + 9
_USER = 10001
LOCKED_UP: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": ""},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}


@dataclass
class Fleet:
    """Containers on a network of their own; ``home`` is a folder that they share as /data.

    It has what an attack asks of a stack: ``url``, ``points``, :meth:`until_whole`, :meth:`keep_logs`.
    """

    client: DockerClient
    network: str
    home: Path
    settings: Mapping[str, str]
    port: int = field(default_factory=free_port)
    running: dict[str, CeleryTestContainer] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def points(self) -> RemoteVectorStore:
        """The vector engine itself, asked without the API."""
        return RemoteVectorStore(Settings(aegis_home=self.home).vector_socket, timeout=20)

    @property
    def broker(self) -> RedisTestBroker:
        return RedisTestBroker(self.running[BROKER])

    def worker(self, lane: str) -> CeleryTestWorker:
        return CeleryTestWorker(self.running[f"worker-{lane}"], app)

    # --- starting and stopping

    def start(self, image: str, broker_image: str) -> None:
        """Start every part and wait until the whole is ready."""
        if os.getuid() == 0:
            os.chown(self.home, _USER, _USER)
        until(self.run(BROKER, broker_image).ready, READY_SECONDS)
        until(self.run(VECTORS, image).ready, READY_SECONDS)
        for part in (API, BEAT, *WORKERS):
            self.run(part, image)
        self.until_whole()

    def run(self, part: str, image: str, *, checked: bool = False) -> CeleryTestContainer:
        """Start one more container of the part. ``checked``: with the image's health check."""
        raw = self.client.containers.run(
            image,
            detach=True,
            network=self.network,
            labels=[LABEL],
            user=None if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}",
            volumes=[f"{self.home}:/data"],
            healthcheck=None if checked else Healthcheck(test=["NONE"]),
            restart_policy={"Name": "on-failure"},  # as an orchestrator would: Celery may end with its broker
            **LOCKED_UP,
            **(self._broker_options() if part == BROKER else self._part_options(part)),
        )
        self.running[part] = WRAPPERS.get(part, CeleryTestContainer)(raw)
        return self.running[part]

    def replace(self, part: str, image: str) -> None:
        """Another container in place of the part's. Workers overlap; of other parts there is one only."""
        old = self.running[part]
        if part not in WORKERS:
            self._stop(old)
        until(self.run(part, image).ready, READY_SECONDS)
        if part in WORKERS:
            self._stop(old)

    def remove(self, container: CeleryTestContainer) -> None:
        self.client.containers.get(container.id).remove(force=True, v=True)

    def close(self) -> None:
        """Remove every container on the network."""
        for raw in self.client.containers.list(all=True, filters={"network": self.network}):
            raw.remove(force=True, v=True)

    def _stop(self, container: CeleryTestContainer) -> None:
        """SIGTERM; fails when the container had to be killed after its grace."""
        raw = self.client.containers.get(container.id)
        raw.stop(timeout=GRACE_SECONDS)
        status = raw.wait()["StatusCode"]
        assert status != _KILLED, f"{container.name} did not end by itself:\n{container.logs()[-4000:]}"
        self.remove(container)

    # --- what attacks ask for

    def until_whole(self) -> None:
        """Wait until every component is ready."""
        until(self._is_whole, READY_SECONDS)

    def keep_logs(self, folder: Path) -> None:
        """Write what the containers printed to ``folder``, a file a part."""
        folder.mkdir(parents=True, exist_ok=True)
        for part, container in self.running.items():
            (folder / f"{part}.log").write_text(container.logs(), "utf-8")

    def _is_whole(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    # --- options of the engine

    def _broker_options(self) -> dict[str, Any]:
        return {
            "name": f"{self.network}-{BROKER}",
            "command": [BROKER],
            "environment": {"BROKER_HOST": "0.0.0.0", "ALLOW_ANONYMOUS": "true"},
        }

    def _part_options(self, part: str) -> dict[str, Any]:
        return {
            "command": [part],
            "environment": {
                "REDIS_URL": f"redis://{self.network}-{BROKER}:6379/0",
                "ALLOW_ANONYMOUS": "true",
                "API_WORKERS": "1",
                "RATE_LIMIT_REQUESTS_PER_MINUTE": "0",
                "CHUNK_TOKENS": str(CHUNK_TOKENS),
                **UNSCHEDULED,
                **self.settings,
            },
            "ports": {"8910/tcp": ("127.0.0.1", self.port)} if part == API else {},
        }
