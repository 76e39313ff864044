"""The vector stores that the suites run over. A new backend is one more entry in ``BACKENDS``.

A real Qdrant takes part where QDRANT_BIN names the server's binary, or QDRANT_URL an empty server.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from rag.ports import VectorStore
from rag.settings import Settings
from rag.vectors.edge.client import RemoteVectorStore
from rag.vectors.edge.store import EdgeVectorStore
from rag.vectors.qdrant.nodes import Nodes, nodes_of
from rag.vectors.qdrant.store import QdrantVectorStore
from tests.qdrantbinary import BINARY, QdrantNode
from tests.qdrantlocal import LocalQdrant


class Backend(Protocol):
    """A store that can be stopped, and killed, and opened again over what it left on disk."""

    store: VectorStore

    def reopen(self) -> None: ...

    def kill(self, *, restart: bool = True) -> None:
        """End it as kill -9 does, and open it again; skips where it lives in this process."""
        ...

    def close(self) -> None: ...


class InProcess:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.store = EdgeVectorStore(folder)

    def reopen(self) -> None:
        self.close()
        self.store = EdgeVectorStore(self._folder)

    def kill(self, *, restart: bool = True) -> None:
        pytest.skip("lives in this process")

    def close(self) -> None:
        self.store.close()


class EngineProcess:
    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._socket = folder / "run" / "vectors.sock"
        self.store = RemoteVectorStore(self._socket, timeout=20)
        self._start()

    def reopen(self) -> None:
        self._process.terminate()
        assert self._process.wait(timeout=20) == 0
        self._start()

    def kill(self, *, restart: bool = True) -> None:
        self._process.kill()
        self._process.wait(timeout=20)
        if restart:
            self._start()

    def close(self) -> None:
        self.store.close()
        self._process.terminate()
        assert self._process.wait(timeout=20) == 0

    def _start(self) -> None:
        environment = {**os.environ, "AEGIS_HOME": str(self._home)}
        command = [sys.executable, "-m", "rag.vectors.edge.server"]
        self._process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        line = self._process.stderr.readline()
        assert "ready" in line, line
        threading.Thread(target=self._process.stderr.read, daemon=True).start()


class InMemory:
    """qdrant-client's local mode, which keeps nothing."""

    def __init__(self, folder: Path) -> None:
        local = LocalQdrant()
        self.store = QdrantVectorStore(Nodes({"memory": lambda: local}, 5.0), Settings(), patience=1.0)

    def reopen(self) -> None:
        pytest.skip("local mode keeps nothing on disk here")

    def kill(self, *, restart: bool = True) -> None:
        pytest.skip("lives in this process")

    def close(self) -> None:
        self.store.close()


class Server:
    """A real one, with strict mode and a key."""

    def __init__(self, folder: Path, *, grpc: bool = False) -> None:
        strict = {
            f"QDRANT__STORAGE__COLLECTION__STRICT_MODE__{name}": value for name, value in STRICT.items()
        }
        self._node = QdrantNode(folder / "node", QDRANT__SERVICE__API_KEY="secret", **strict)
        settings = Settings(
            qdrant_url=self._node.url,
            qdrant_api_key="secret",
            qdrant_grpc=grpc,
            qdrant_grpc_port=self._node.grpc,
        )
        self.store = QdrantVectorStore(nodes_of(settings), settings, patience=5.0)

    def reopen(self) -> None:
        self._node.stop()
        self._node.start()

    def kill(self, *, restart: bool = True) -> None:
        self._node.kill()
        if restart:
            self._node.start()

    def close(self) -> None:
        self.store.close()
        self._node.stop()


class GivenServer:
    """The one that QDRANT_URL and its companions name, which must hold nothing of Aegis."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(qdrant_shards=1)  # the BM25 of a shard knows its own passages only
        self.store = QdrantVectorStore(nodes_of(settings), settings, patience=10.0)
        assert self.store.collections() == (), "the tests remove every collection of Aegis at QDRANT_URL"

    def reopen(self) -> None:
        pytest.skip("not ours to start")

    def kill(self, *, restart: bool = True) -> None:
        pytest.skip("not ours to kill")

    def close(self) -> None:
        self.store.close()


STRICT = {
    "ENABLED": "true",
    "UNINDEXED_FILTERING_RETRIEVE": "false",
    "UNINDEXED_FILTERING_UPDATE": "false",
    "UPSERT_MAX_BATCHSIZE": "50",
    "CONDITION_MAX_SIZE": "300",
}

BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "edge": InProcess,
    "engine": EngineProcess,
    "memory": InMemory,
}
if BINARY:
    BACKENDS |= {"server": Server, "server over gRPC": partial(Server, grpc=True)}
elif os.environ.get("QDRANT_URL"):
    BACKENDS |= {"QDRANT_URL": GivenServer}
