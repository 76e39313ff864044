"""Real Qdrant servers of the binary that QDRANT_BIN names, on free ports of this machine."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

BINARY = os.environ.get("QDRANT_BIN") or None
WITHOUT = "QDRANT_BIN names no Qdrant server, and no package registry has one"


class QdrantNode:
    """One server with its folder, which can end, be killed, stand still, and start again."""

    def __init__(self, folder: Path, *, first: "QdrantNode | None" = None, **environment: str) -> None:
        """``first``: whose cluster it joins; with ``cluster="1"`` it begins one. The rest is settings."""
        self.folder = folder
        self._clustered = environment.pop("cluster", "") or first is not None
        self._first = first
        self.http, self.grpc, self._p2p = _free_ports(3)
        self._tls = environment.get("QDRANT__SERVICE__ENABLE_TLS") == "true"
        self._environment = environment
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.http}"

    @property
    def uri(self) -> str:
        """Where other nodes find it."""
        return f"http://127.0.0.1:{self._p2p}"

    def start(self) -> None:
        assert BINARY is not None, WITHOUT
        command = [BINARY]
        if self._clustered:
            command += ["--uri", self.uri, *(["--bootstrap", self._first.uri] if self._first else [])]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env={**os.environ, **self._settings()}, stdout=log, stderr=log
            )
        self._wait()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def replicas(self, collection: str) -> list[str]:
        """The states of its shards' replicas, as this node knows them."""
        told = httpx.get(f"{self.url}/collections/{collection}/cluster").json()["result"]
        return [shard["state"] for shard in told["local_shards"] + told["remote_shards"]]

    def _settings(self) -> Mapping[str, str]:
        return {
            "QDRANT__SERVICE__HOST": "127.0.0.1",
            "QDRANT__SERVICE__HTTP_PORT": str(self.http),
            "QDRANT__SERVICE__GRPC_PORT": str(self.grpc),
            "QDRANT__STORAGE__STORAGE_PATH": str(self.folder / "storage"),
            "QDRANT__STORAGE__SNAPSHOTS_PATH": str(self.folder / "snapshots"),
            "QDRANT__CLUSTER__ENABLED": "true" if self._clustered else "false",
            "QDRANT__CLUSTER__P2P__PORT": str(self._p2p),
            "QDRANT__TELEMETRY_DISABLED": "true",
            **self._environment,
        }

    def _wait(self, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not self._is_ready():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", verify=False, timeout=2).is_success
        except httpx.TransportError:
            return False


@contextmanager
def cluster(folder: Path, size: int) -> Iterator[list[QdrantNode]]:
    """``size`` nodes that know each other."""
    with ExitStack() as stack:
        nodes: list[QdrantNode] = []
        for number in range(size):
            first = nodes[0] if nodes else None
            node = QdrantNode(folder / f"node{number}", first=first, cluster="1")
            stack.callback(node.kill)
            nodes.append(node)
        _wait_for_peers(nodes)
        yield nodes


def _wait_for_peers(nodes: list[QdrantNode], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while any(_peers(node) < len(nodes) for node in nodes):
        assert time.monotonic() < deadline, "the nodes did not find each other"
        time.sleep(0.1)


def _peers(node: QdrantNode) -> int:
    return len(httpx.get(f"{node.url}/cluster").json()["result"]["peers"])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
