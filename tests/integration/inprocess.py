"""A worker's stages in this process: real records, a real vector engine, and models that cost nothing."""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b

import numpy as np

from rag.model import Attachment, Chunk, CutDocument, Embedding, ParsedDocument
from rag.ports import RerankRequest
from rag.vectors.edge.store import EdgeVectorStore
from workers.tools import Tools

OLD, NEW, BLIND = "old-model", "new-model", "blind-model"
DIMENSIONS = {OLD: 64, NEW: 96, BLIND: 16}


class Words:
    """An embedder that goes by the words of a text; the blind one sees nothing but that there is one."""

    independent = True
    token_dimension = None
    max_tokens = 1000
    recipe = "1"

    def __init__(self, model: str) -> None:
        self.name, self.dimension = model, DIMENSIONS[model]
        self.embedded: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        self.embedded += texts
        return [self._embedding(text) for text in texts]

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return [self._embedding(text if self.name != BLIND else f"{text}?") for text in texts]

    def vote(self, question: str) -> float:
        return 1.0

    def warm(self) -> None: ...

    def _embedding(self, text: str) -> Embedding:
        words = [text] if self.name == BLIND else text.lower().replace(".", "").split()
        dense = np.full(self.dimension, 1e-3, np.float32)
        for word in words:
            digest = blake2b(word.encode(), digest_size=8, person=self.name.encode()).digest()
            dense += (
                np.random.default_rng(int.from_bytes(digest)).normal(size=self.dimension).astype(np.float32)
            )
        return Embedding(dense / np.linalg.norm(dense))


class Plain:
    """Parser and chunker in one: text in, its lines out."""

    name = "lines"

    def parse(self, data: bytes, media_type: str, name: str) -> ParsedDocument:
        return ParsedDocument(data.decode())

    def cut(self, data: bytes, media_type: str, name: str, given_up: object = None) -> CutDocument:
        parsed = self.parse(data, media_type, name)
        return CutDocument(parsed, tuple(self.chunk(parsed)))

    def attachments(self, data: bytes, name: str, given_up: object = None) -> list[Attachment]:
        return []

    def chunk(self, document: ParsedDocument) -> list[Chunk]:
        chunks, start = [], 0
        for index, line in enumerate(document.text.split("\n")):
            chunks.append(Chunk(index, line, start, start + len(line), len(line.split())))
            start += len(line) + 1
        return chunks

    def warm(self) -> None: ...


class Unmoved:
    """A reranker that leaves everything in its order, and wants the vectors for it."""

    name, reads_vectors, least_candidates = "unmoved", True, 1

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        for request in requests:
            sizes = {len(c.dense) for c in request.candidates if c.dense is not None}
            assert sizes <= {len(request.query.dense)}, "question and passages are of two models"
        return [[1 / (n + 1) for n, _ in enumerate(request.candidates)] for request in requests]

    def warm(self) -> None: ...


class InProcess(Tools):
    """The tools of a worker with the vector engine in this process, and models that cost nothing."""

    def embedder(self, model: str, dimension: int, *, fresh: bool = False, tenant: str = "") -> Words:
        return self.models[model]

    @cached_property
    def models(self) -> dict[str, Words]:
        return {model: Words(model) for model in DIMENSIONS}

    @cached_property
    def vectors(self) -> EdgeVectorStore:
        return EdgeVectorStore(self.settings.home / "vectors")

    @cached_property
    def parser(self) -> Plain:
        return Plain()

    @cached_property
    def chunker(self) -> Plain:
        return Plain()

    @cached_property
    def reranker(self) -> Unmoved:
        return Unmoved()
