"""A worker's tools whose models are far away, and whose vector engine is in this process."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from rag.model import CutDocument, Embedding, ParsedDocument
from rag.ports import RerankRequest
from rag.vectors.edge.store import EdgeVectorStore
from workers.cutting import chunker
from workers.tools import Tools

MODEL = "far-model"
DIMENSION = 384


class FarModel:
    """An embedder and reranker behind a slow line; ``calls``: how many items each one was for."""

    name = MODEL
    recipe = "1"
    dimension = DIMENSION
    max_tokens = 256
    token_dimension = None
    reads_vectors = False
    least_candidates = 10

    def __init__(self) -> None:
        self.independent = True
        self.latency = 0.0
        self.calls: list[int] = []
        self.during: Callable[[Sequence[object]], None] = lambda items: None

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedded(texts)

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedded(texts)

    def vote(self, question: str) -> float:
        return 1.0

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        self._answered(requests)
        return [[0.5] * len(request.candidates) for request in requests]

    def warm(self) -> None:
        """Nothing to load."""

    def _embedded(self, texts: Sequence[str]) -> list[Embedding]:
        self._answered(texts)
        return [Embedding(_direction(text)) for text in texts]

    def _answered(self, items: Sequence[object]) -> None:
        self.calls.append(len(items))
        time.sleep(self.latency)
        self.during(items)


def _direction(text: str) -> np.ndarray:
    vector = np.random.default_rng(len(text)).standard_normal(DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


class PlainText:
    """A parser without a process."""

    def parse(self, data: bytes, media_type: str, name: str) -> ParsedDocument:
        return ParsedDocument(data.decode())

    def cut(self, data: bytes, media_type: str, name: str, given_up: object = None) -> CutDocument:
        parsed = self.parse(data, media_type, name)
        return CutDocument(parsed, tuple(chunker(200).chunk(parsed)))

    def warm(self) -> None:
        """Nothing to load."""


class InProcess(Tools):
    """The tools of a worker, with the vector engine in this process and the models far away."""

    @cached_property
    def far(self) -> FarModel:
        return FarModel()

    @cached_property
    def vectors(self) -> EdgeVectorStore:
        return EdgeVectorStore(self.settings.home / "vectors")

    @cached_property
    def parser(self) -> PlainText:
        return PlainText()

    @cached_property
    def reranker(self) -> FarModel:
        return self.far

    def embedder(self, model: str, dimension: int, *, fresh: bool = False, tenant: str = "") -> FarModel:
        return self.far
