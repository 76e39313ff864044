"""Jina's answers as far as they are read, by https://api.jina.ai/openapi.json."""

from pydantic import BaseModel


class Usage(BaseModel):
    """``total_tokens`` is what is paid for."""

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
