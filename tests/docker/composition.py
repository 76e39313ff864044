"""docker-compose.yml at work: a copy of its files, with settings and a name of the test's own."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import httpx
from docker import DockerClient
from docker.models.containers import Container

from rag.ports import VectorStore
from rag.settings import Settings
from rag.vectors.edge.client import RemoteVectorStore
from rag.vectors.qdrant.nodes import nodes_of
from rag.vectors.qdrant.store import QdrantVectorStore
from tests.chaos.audit import Account
from tests.chaos.requirements import missing
from tests.docker.images import ROOT
from tests.system.runbook import Block, sections
from tests.system.running import free_port, until

COMPOSE = Path(sys.executable).parent / "docker-compose"
FIRST = "From nothing to the first answer"
PAGE = sections(ROOT / "docs/deploy/compose.md")
AEGIS_IMAGES = {"API_IMAGE": "api", "WORKER_IMAGE": "worker", "BEAT_IMAGE": "beat", "FLOWER_IMAGE": "flower"}
"""Variables, and the target of the image that each names."""

FILES = ("docker-compose.yml", "deploy/compose", "deploy/redis", "deploy/prometheus", "deploy/alertmanager")
PORTS = ("API_PORT", "FLOWER_PORT", "PROMETHEUS_PORT")
UP_SECONDS = 300.0

_HEALTH_CHECK = "{healthcheck: {test: [CMD, sh, -c, 'test -d /data/run'], interval: 3s}}"
"""Of images of before they had one: the part has made its folder."""

_PARTS = ("api", "beat", "flower", "broker", "vectors")
_RANDOM = re.compile(r"\b[0-9a-f]{48}\b")
_PROJECT, _SERVICE = "com.docker.compose.project", "com.docker.compose.service"
_PLUGIN = '#!/bin/sh\nif [ "$1" = compose ]; then shift; exec {compose} "$@"; fi\nexec {docker} "$@"\n'


@dataclass
class Composition:
    """``folder``: for a copy of the files; commands run in it. ``name``: of the project and all it makes.

    It has what an attack asks of a stack: ``url``, ``points``, :meth:`until_whole`, :meth:`keep_logs`.
    """

    client: DockerClient
    folder: Path
    name: str
    ports: Mapping[str, int] = field(default_factory=lambda: {port: free_port() for port in PORTS})

    def __post_init__(self) -> None:
        for name in FILES:
            source, copy = ROOT / name, self.folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
        plugin = self.folder / "bin/docker"
        plugin.parent.mkdir()
        plugin.write_text(_PLUGIN.format(compose=COMPOSE, docker=shutil.which("docker")))
        plugin.chmod(0o755)

    # --- commands

    def run(self, command: str, seconds: float = UP_SECONDS, *, fails: bool = False) -> str:
        """What a shell command prints, whose ``docker compose`` is the tests' own. ``fails``: it should."""
        return Block(command, fails=fails).run(self._environment, seconds, self.folder)

    def run_calls(self, block: Block) -> str:
        """What calls of the page print, made to the port of this one."""
        calls = block.text.replace("localhost:8910", f"localhost:{self.ports['API_PORT']}")
        return self.run(calls).removeprefix(calls)

    def configure(self, **variables: str) -> None:
        """Add lines to .env; later ones count. Ports are the test's own."""
        variables = {**variables, **{name: str(port) for name, port in self.ports.items()}}
        with (self.folder / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in variables.items())

    def set_aegis(self, **settings: str) -> None:
        """Add lines to the file of settings, which parts read when they start."""
        with self._secret("settings.env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())

    def variable(self, name: str) -> str:
        """Its last value in .env."""
        lines = (self.folder / ".env").read_text().splitlines()
        return next(line.partition("=")[2] for line in reversed(lines) if line.startswith(f"{name}="))

    def run_images(self, images: Mapping[str, str]) -> None:
        """From the next start on, have parts run ``images``, which are given by the Dockerfile's targets."""
        self.configure(**{variable: images[target] for variable, target in AEGIS_IMAGES.items()})
        added = self.folder / "docker-compose.override.yml"
        added.unlink(missing_ok=True)
        if not self.client.images.get(images["worker"]).attrs["Config"].get("Healthcheck"):
            services = self.run("docker compose --profile embedded config --services").split()
            parts = [name for name in services if name.startswith("worker-") or name in _PARTS]
            added.write_text("services:\n" + "".join(f"  {part}: {_HEALTH_CHECK}\n" for part in parts))

    # --- what runs

    def containers(self, *services: str, stopped: bool = False) -> list[Container]:
        """Of the services, or of all, oldest first."""
        found = self.client.containers.list(all=stopped, filters={"label": f"{_PROJECT}={self.name}"})
        wanted = [each for each in found if not services or each.labels[_SERVICE] in services]
        return sorted(wanted, key=lambda each: each.attrs["Created"])

    def address_of(self, container: Container, network: str = "default") -> str:
        return str(container.attrs["NetworkSettings"]["Networks"][f"{self.name}_{network}"]["IPAddress"])

    def crash(self, container: Container) -> None:
        """Kill its processes, as a fault would: the engine, told to kill it, would not start it again."""
        try:
            os.kill(container.attrs["State"]["Pid"], signal.SIGKILL)
        except PermissionError:
            missing("root, to kill processes in containers")

    def secret(self, name: str) -> str:
        return self._secret(name).read_text()

    def secret_values(self) -> set[str]:
        """Everything random in the files."""
        return {value for file in self._secret("").iterdir() for value in _RANDOM.findall(file.read_text())}

    def remains(self) -> list[str]:
        """Names of containers, networks and volumes that are there."""
        label = {"label": f"{_PROJECT}={self.name}"}
        kinds = (
            self.containers(stopped=True),
            self.client.networks.list(filters=label),
            self.client.volumes.list(filters=label),
        )
        return [each.name for kind in kinds for each in kind]

    # --- what attacks ask for

    @property
    def url(self) -> str:
        """The load balancer's, with the operator's key."""
        return f"http://:{self._secret('api_key').read_text()}@127.0.0.1:{self.ports['API_PORT']}"

    @cached_property
    def points(self) -> VectorStore:
        """The vector engine itself, asked without the API."""
        if self.containers("vectors"):
            return RemoteVectorStore(self._data / "run/vectors.sock", timeout=20)
        (qdrant,) = self.containers("qdrant")
        settings = Settings(
            qdrant_url=f"http://{self.address_of(qdrant, 'stores')}:6333",
            qdrant_api_key=self.secret("qdrant_api_key"),
        )
        return QdrantVectorStore(nodes_of(settings), settings, 20)

    def until_whole(self) -> None:
        """Wait until every component is ready, and every container healthy."""
        until(self._is_whole, UP_SECONDS)

    def keep_logs(self, folder: Path) -> None:
        """Write what the containers printed to ``folder``, a file each."""
        folder.mkdir(parents=True, exist_ok=True)
        for container in self.containers(stopped=True):
            (folder / f"{container.name}.log").write_bytes(container.logs())

    def close(self) -> None:
        """Remove everything that is there."""
        with suppress(AssertionError):
            self.run("docker compose --profile '*' down --volumes --timeout 1")

    def _is_whole(self) -> bool:
        try:
            ready = httpx.get(f"http://127.0.0.1:{self.ports['API_PORT']}/health/ready", timeout=5)
        except httpx.TransportError:
            return False
        states = [
            each.attrs["State"].get("Health", {}).get("Status", "healthy") for each in self.containers()
        ]
        return ready.status_code == httpx.codes.OK and set(states) == {"healthy"}

    @property
    def _data(self) -> Path:
        folder = Path(self.client.volumes.get(f"{self.name}_data").attrs["Mountpoint"])
        if not os.access(folder, os.X_OK):
            missing("root, or a container engine of the same user, whose volumes can be looked into")
        return folder

    @property
    def _environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        kept = {name: os.environ[name] for name in ("HOME", "DOCKER_HOST", "TMPDIR") if name in os.environ}
        return {**kept, "PATH": path, "COMPOSE_PROJECT_NAME": self.name, "COMPOSE_PROGRESS": "quiet"}

    def _secret(self, name: str) -> Path:
        return self.folder / "deploy/compose/secrets" / name


def failed_requests(account: Account) -> dict[str, int]:
    """Answers of a load that no caller should get, and requests without an answer, by their number."""
    return {
        answer: count
        for answer, count in account.answers.items()
        if not answer.isdecimal() or int(answer) >= httpx.codes.TOO_MANY_REQUESTS
    }


@contextmanager
def composition(client: DockerClient, folder: Path) -> Iterator[Composition]:
    """Files and a name, nothing started yet; nothing of it is left afterwards. Skips without Compose."""
    if not COMPOSE.exists():
        missing("Docker Compose: make deployment-tools")
    made = Composition(client, folder, f"aegis-test-{os.getpid()}-{folder.name.rstrip('_').lower()}"[:60])
    try:
        yield made
    finally:
        made.close()
