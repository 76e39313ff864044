"""Runs commands that build programs for tests, once for all processes on the machine."""

import fcntl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

BUILD_SECONDS = 3600.0


class NotBuildableError(Exception):
    """Something that the build needs is missing here; the message says what."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; other processes wait for it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_build(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """What the command prints. Raises NotBuildableError with the end of its errors if it fails."""
    ended = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True,
        timeout=BUILD_SECONDS, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise NotBuildableError(f"{' '.join(command)}: {ended.stderr[-2000:]}")
    return ended.stdout
