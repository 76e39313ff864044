"""Jina's answers as far as they are read, and the vectors in them: https://api.jina.ai/openapi.json."""

from base64 import b64decode
from binascii import Error as Base64Error

import numpy as np
from pydantic import BaseModel

from rag.errors import ModelError
from rag.model import Vector

_LEAST_LENGTH = 1e-6


class UnusableError(ModelError):
    """A successful response without the content that was asked for."""


class Usage(BaseModel):
    """``total_tokens`` are those that are paid for."""

    total_tokens: int = 0


class Answer(BaseModel):
    usage: Usage = Usage()


class EmbeddedText(BaseModel):
    """``embedding``: floats, or base64 of them in float32, the lowest byte first."""

    index: int
    embedding: str | list[float]


class Embeddings(Answer):
    data: list[EmbeddedText]


class RankedDocument(BaseModel):
    index: int
    relevance_score: float


class Ranking(Answer):
    results: list[RankedDocument]


def unit_vectors(answer: Embeddings, texts: int, dimension: int) -> list[Vector]:
    """A vector for each of ``texts`` texts, in their order: (dimension,) float32 of unit length.

    UnusableError for too few or too many, for NaN and for zero; ModelError for another dimension.
    """
    by_text = {entry.index: entry for entry in answer.data}
    if set(by_text) != set(range(texts)) or len(answer.data) != texts:
        raise UnusableError(f"the server gave {len(answer.data)} vectors for {texts} texts")
    return [_unit_vector(by_text[i], dimension) for i in range(texts)]


def _unit_vector(entry: EmbeddedText, dimension: int) -> Vector:
    if isinstance(entry.embedding, str):
        try:
            vector = np.frombuffer(b64decode(entry.embedding, validate=True), dtype="<f4").astype(np.float32)
        except (Base64Error, ValueError) as error:
            raise UnusableError("the server gave vectors that are no base64 of 32-bit floats") from error
    else:
        vector = np.array(entry.embedding, dtype=np.float32)
    if vector.shape != (dimension,):
        raise ModelError(
            f"the model's vectors have {len(vector)} dimensions, and {dimension} were asked for: "
            "set VECTOR_SIZE to what the model gives"
        )
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not np.isfinite(length) or length < _LEAST_LENGTH:
        raise UnusableError("the server gave a vector of NaN, infinity or nothing but zeros")
    return (vector / length).astype(np.float32)
