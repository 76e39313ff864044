"""Images for a node: packed from a program, or taken from the local engine. None comes from a registry."""

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.kubernetes.build import program

PAUSE = "registry.invalid/pause:1"
COREDNS = "registry.invalid/coredns:1"

_NAMESPACE = "k8s.io"
_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class ImageStore:
    """The images of a node's containerd, which listens on ``socket``."""

    socket: Path

    def pack(self, name: str, *programs: Path) -> None:
        """An image that holds nothing but these programs in its root; the first one is run."""
        layer = _layer(programs)
        diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        configuration = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": [f"/{programs[0].name}"]},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
        }
        manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
        archive = {
            "config.json": json.dumps(configuration).encode(),
            "layer.tar": layer,
            "manifest.json": json.dumps(manifest).encode(),
        }
        self._call("images", "import", "-", given=_tar(archive))

    def take(self, *names: str) -> None:
        """Take images over from the local Docker engine under their names there; common layers once."""
        with subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE) as saving:
            subprocess.run(
                self._command("images", "import", "-"), stdin=saving.stdout, capture_output=True, check=True,
                timeout=_SECONDS,
            )  # fmt: skip
        assert saving.returncode == 0, f"docker save {names} failed"

    def pid_of(self, container: str) -> int:
        """The first process of a running container."""
        lines = self._call("tasks", "list").decode().splitlines()[1:]
        pids = {line.split()[0]: int(line.split()[1]) for line in lines}
        return pids[container]

    def kill(self, container: str) -> None:
        """As the kernel does when memory is short: every process of the container, at once."""
        self._call("tasks", "kill", "--all", "--signal", "SIGKILL", container)

    def _call(self, *arguments: str, given: bytes | None = None) -> bytes:
        ended = subprocess.run(
            self._command(*arguments), input=given, capture_output=True, check=False, timeout=_SECONDS
        )
        assert ended.returncode == 0, f"ctr {arguments}: {ended.stderr.decode()}"
        return ended.stdout

    def _command(self, *arguments: str) -> Sequence[str]:
        return [str(program("ctr")), "--address", str(self.socket), "--namespace", _NAMESPACE, *arguments]


def _layer(files: Sequence[Path]) -> bytes:
    with BytesIO() as written:
        with tarfile.open(fileobj=written, mode="w") as archive:
            for file in files:
                archive.add(file, file.name, filter=_owned_by_root)
        return written.getvalue()


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = "root"
    return entry


def _tar(files: dict[str, bytes]) -> bytes:
    with BytesIO() as written:
        with tarfile.open(fileobj=written, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, BytesIO(content))
        return written.getvalue()
