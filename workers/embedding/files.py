"""Where the built model lies, and whether it is whole.

    <model_dir>/all-MiniLM-L6-v2-<recipe>/
        model.onnx       the int8 graph, 23 MB
        tokenizer.json   as shipped
        manifest.json    what it was made from, sizes, cosines to fp32

``recipe`` names the source's digests and the version of the code that builds, so a folder's
content never changes and a program finds exactly the files that it was written for, or none.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from workers.embedding.release import NAME, SHA256

RECIPE_VERSION = 1
"""Raised with every change to the graph, the quantisation or the projection."""


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

    def whole(self) -> bool:
        """Whether every file is there in the size that the manifest tells. Reads no contents."""
        try:
            sizes = json.loads(self.manifest.read_bytes())["sizes"]
            return bool(sizes) and all((self.folder / name).stat().st_size == sizes[name] for name in sizes)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def model_files(model_dir: Path) -> ModelFiles:
    recipe = sha256(repr((RECIPE_VERSION, SHA256)).encode()).hexdigest()[:12]
    return ModelFiles(model_dir / f"{NAME}-{recipe}")
