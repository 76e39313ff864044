"""Images of this tree and of the commit before it, built by the local engine and cached by it."""

import ast
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, BuildError, ImageNotFound

from tests.chaos.requirements import missing

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = ("deploy/docker/Dockerfile", "deploy/Dockerfile")
"""Where it is, and where it was."""

TARGETS = ("api", "beat", "flower", "worker")
BASE = "python:3.11-slim"

_INDEX = {
    "index-url": "PIP_INDEX_URL",
    "extra-index-url": "PIP_EXTRA_INDEX_URL",
    "trusted-host": "PIP_TRUSTED_HOST",
}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class Source:
    """A folder to build from, and the revision in it."""

    folder: Path
    revision: str

    def image(self, client: DockerClient, tag: str, target: str | None = None) -> str:
        """Build the last stage, or ``target``; the image's name. Fails with the end of the build's output."""
        _require_base(client)
        name = f"aegis-rag/{target}:{tag}" if target else f"aegis-rag:{tag}"
        arguments = {**_package_index(), "VERSION": tag, "REVISION": self.revision}
        dockerfile = next(path for path in DOCKERFILES if (self.folder / path).exists())
        try:
            client.images.build(
                path=str(self.folder), dockerfile=dockerfile, target=target, tag=name,
                buildargs=arguments, network_mode="host", rm=True,
            )  # fmt: skip
        except BuildError as error:
            output = "".join(str(line.get("stream", "")) for line in error.build_log)
            raise AssertionError(f"{name} cannot be built: {error}\n{output[-4000:]}") from error
        return name


def present() -> Source:
    return Source(ROOT, f"{_git('rev-parse', 'HEAD') or 'unknown'}{'-dirty' if _changed() else ''}")


def previous(folder: Path) -> Source | None:
    """The commit before the present tree, unpacked into ``folder``; None where git has none.

    That is HEAD where the tree differs from it, else HEAD's first parent.
    """
    revision = _git("rev-parse", "--verify", "--quiet", "HEAD" if _changed() else "HEAD~1^{commit}")
    if not revision:
        return None
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return Source(folder, revision)


def _changed() -> bool:
    return bool(_git("status", "--porcelain"))


def _git(*arguments: str) -> str:
    """What git prints; nothing where it fails, as outside a repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _require_base(client: DockerClient) -> None:
    try:
        client.images.get(BASE)
    except ImageNotFound:
        try:
            client.images.pull(BASE)
        except APIError as error:
            missing(f"the image {BASE}, which cannot be pulled here ({error.explanation})")


def _package_index() -> dict[str, str]:
    """Where pip finds packages on this machine, as arguments of the build."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    found = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    for line in listed.stdout.splitlines():  # the environment's come first, and count most
        key, _, value = line.partition("=")
        name = _INDEX.get(key.rpartition(".")[2])
        if name:
            found.setdefault(name, " ".join(ast.literal_eval(value).split()))
    return found
