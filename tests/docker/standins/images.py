"""Images in place of those that docker-compose.yml takes from a registry, of programs from elsewhere."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from docker import DockerClient
from docker.errors import BuildError

from tests.ollamabuild import ollama_binary
from tests.ollamaserver import CHAT, ollama_server

OLLAMA_MODEL = CHAT

_HERE = Path(__file__).parent
_TESTS = _HERE.parents[1]
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_PACKAGED = {
    "HAPROXY_IMAGE": "haproxy",
    "REDIS_IMAGE": "valkey",
    "PROMETHEUS_IMAGE": "prometheus",
    "ALERTMANAGER_IMAGE": "alertmanager",
}
"""Variables of docker-compose.yml, and the Dockerfile's target for each."""


def standins(client: DockerClient, aegis: str) -> dict[str, str]:
    """Their names by the variable of docker-compose.yml. ``aegis``: an image to take its programs from.

    Skips where Ollama cannot be built or SeaweedFS is not installed, and fails there in CI.
    """
    built = {
        variable: _build(client, target, [_HERE / "Dockerfile"], target=target, AEGIS=aegis)
        for variable, target in _PACKAGED.items()
    }
    programs = _build(client, "programs", [_HERE / "Dockerfile"], target="programs", AEGIS=aegis)
    weed = Path(sys.executable).parent / "weed"
    built["S3_IMAGE"] = _build(client, "seaweedfs", [_HERE / "seaweedfs.Dockerfile", weed], PROGRAMS=programs)
    with ollama_server():
        ollama = ollama_binary()
    built["OLLAMA_IMAGE"] = _build(
        client, "ollama", [_HERE / "ollama.Dockerfile", ollama, ollama.parent / "models"], PROGRAMS=programs
    )
    with _sources("qdrant*.py", "__init__.py") as tests:
        built["QDRANT_IMAGE"] = _build(client, "qdrant", [_HERE / "qdrant.Dockerfile", tests], AEGIS=aegis)
    return built


def load_balancer(client: DockerClient, aegis: str) -> str:
    """As :func:`standins`, the load balancer's alone."""
    return _build(client, "haproxy", [_HERE / "Dockerfile"], target="haproxy", AEGIS=aegis)


def _build(client: DockerClient, name: str, files: Sequence[Path], target: str = "", **arguments: str) -> str:
    """The image's name. ``files``: the Dockerfile, and what it copies."""
    tag = f"aegis-rag-standin:{name}"
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    with TemporaryDirectory(prefix="aegis-standin-") as context:
        for file in files:
            if file.is_dir():
                shutil.copytree(file, Path(context) / file.name)
            else:
                shutil.copy(file, context)
        try:
            client.images.build(
                path=context, dockerfile=files[0].name, tag=tag, target=target or None,
                buildargs={**arguments, **proxies}, network_mode="host", rm=True,
            )  # fmt: skip
        except BuildError as error:
            output = "".join(str(line.get("stream", "")) for line in error.build_log)
            raise AssertionError(f"{tag} cannot be built: {error}\n{output[-4000:]}") from error
    return tag


@contextmanager
def _sources(*patterns: str) -> Iterator[Path]:
    """A folder ``tests`` with those of our files that match, until the block ends."""
    with TemporaryDirectory(prefix="aegis-standin-") as scratch:
        folder = Path(scratch) / "tests"
        folder.mkdir()
        for pattern in patterns:
            for file in _TESTS.glob(pattern):
                shutil.copy(file, folder)
        yield folder
