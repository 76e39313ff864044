"""Vectors out of Jina's answers, checked."""

from base64 import b64decode
from binascii import Error as Base64Error

import numpy as np

from rag.errors import ModelError
from rag.model import Vector
from workers.jina.client import UnusableError
from workers.jina.schema import EmbeddedText, Embeddings

_LEAST_LENGTH = 1e-6


def unit_vectors(answer: Embeddings, texts: int, dimension: int) -> list[Vector]:
    """A vector for each of so many texts, in their order: (dimension,) float32 of unit length.

    UnusableError for too few or too many, for NaN and for zero; ModelError for another dimension.
    """
    by_text = {entry.index: entry for entry in answer.data}
    if set(by_text) != set(range(texts)) or len(answer.data) != texts:
        raise UnusableError(f"the server gave {len(answer.data)} vectors for {texts} texts")
    return [_unit(_decoded(by_text[i]), dimension) for i in range(texts)]


def _decoded(entry: EmbeddedText) -> Vector:
    if not isinstance(entry.embedding, str):
        return np.array(entry.embedding, dtype=np.float32)
    try:
        return np.frombuffer(b64decode(entry.embedding, validate=True), dtype="<f4").astype(np.float32)
    except (Base64Error, ValueError) as error:
        raise UnusableError("the server gave vectors that are no base64 of 32-bit floats") from error


def _unit(vector: Vector, dimension: int) -> Vector:
    if vector.shape != (dimension,):
        raise ModelError(
            f"the model's vectors have {len(vector)} dimensions, and {dimension} were asked for: "
            "set VECTOR_SIZE to what the model gives"
        )
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length < _LEAST_LENGTH:
        raise UnusableError("the server gave a vector of NaN, infinity or nothing but zeros")
    return (vector / length).astype(np.float32)
