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
VARIABLES = {
    "HAPROXY_IMAGE": "haproxy",
    "REDIS_IMAGE": "valkey",
    "PROMETHEUS_IMAGE": "prometheus",
    "ALERTMANAGER_IMAGE": "alertmanager",
    "S3_IMAGE": "seaweedfs",
    "OLLAMA_IMAGE": "ollama",
    "QDRANT_IMAGE": "qdrant",
}
"""Of docker-compose.yml, and what stands in for the image of each."""


def standins(client: DockerClient, aegis: str, *variables: str) -> dict[str, str]:
    """Names of images by the ``variables``, of all by default. ``aegis``: an image to take programs from.

    Skips where Ollama cannot be built or SeaweedFS is not installed, and fails there in CI.
    """
    return {variable: _image(client, VARIABLES[variable], aegis) for variable in variables or VARIABLES}


def _image(client: DockerClient, name: str, aegis: str) -> str:
    if name == "qdrant":
        with _sources("qdrant*.py") as tests:
            return _build(client, name, [_HERE / "qdrant.Dockerfile", tests], AEGIS=aegis)
    if name not in ("seaweedfs", "ollama"):
        return _build(client, name, [_HERE / "Dockerfile"], target=name, AEGIS=aegis)
    programs = _build(client, "programs", [_HERE / "Dockerfile"], target="programs", AEGIS=aegis)
    return _build(client, name, [_HERE / f"{name}.Dockerfile", *_programs_of(name)], PROGRAMS=programs)


def _programs_of(name: str) -> Sequence[Path]:
    if name == "seaweedfs":
        return [Path(sys.executable).parent / "weed"]
    with ollama_server():  # makes its models
        binary = ollama_binary()
    return [binary, binary.parent / "models"]


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
