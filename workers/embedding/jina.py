"""Embeddings by a server of Jina's schema, with a task adapter for passages and one for questions.

Late chunking (Günther et al., "Late Chunking", 2024): the server reads the passages of a call as one
text and pools each from the whole, so they have to be a document's, in order, and together within
the model's context. A document over the limits of a call goes in several, each a context of its own.
"""

import re
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Literal

from rag.model import Embedding, Json, Vector
from rag.settings import Settings
from workers.jina.batches import BatchLimits, batches, halved
from workers.jina.client import Call, JinaClient, batch_limits, client, wait_for_server
from workers.jina.refusals import UnfitError
from workers.jina.schema import Embeddings
from workers.jina.vectors import unit_vectors
from workers.loop import together
from workers.tokens import estimated

Encoding = Literal["base64", "float"]

_PATIENCE = 30.0  # seconds, for a server that is away when a worker starts
_MAX_TOKENS = 8192
_NOTHING = "."
_ABOUT_ENCODING = re.compile(r"embedding_type|base64", re.IGNORECASE)


class JinaEmbedder:
    """The ``Embedder`` port; gives no token vectors.

    A passage too long for the model is a ModelError, so that nothing is left out unseen; a
    question that is too long is cut. Text without anything to read counts as a full stop.
    """

    token_dimension = None
    max_tokens = _MAX_TOKENS

    def __init__(
        self,
        jina: JinaClient,
        model: str,
        dimension: int,
        limits: BatchLimits,
        *,
        late_chunking: bool = False,
    ) -> None:
        self.name = model
        self.dimension = dimension
        self.independent = not late_chunking
        self._jina = jina
        self._limits = limits
        self._encoding: Encoding = "base64"

    @property
    def recipe(self) -> str:
        """Where from, and in which pieces: another server's model of the same name may be another."""
        context = "" if self.independent else f" late chunking {self._limits.tokens}/{self._limits.texts}"
        return f"{self._jina.server.url}{context}"

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedded(texts, self._passages)

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embedded(texts, self._queries)

    def warm(self) -> None:
        """Have a text embedded, waiting for a server that is away. ModelError: wrong key, model or size."""
        wait_for_server(lambda: self.embed_queries(["ready"]), patience=_PATIENCE)

    def _embedded(
        self, texts: Sequence[str], embed: Callable[[Sequence[str]], Coroutine[Any, Any, list[Vector]]]
    ) -> list[Embedding]:
        calls = (halved(batch, embed) for batch in batches([_readable(text) for text in texts], self._limits))
        vectors = self._jina.run(together(calls))
        return [Embedding(vector) for batch in vectors for vector in batch]

    async def _passages(self, texts: Sequence[str]) -> list[Vector]:
        asked: Json = {"task": "retrieval.passage", "truncate": False}
        if not self.independent:
            asked["late_chunking"] = True
        return await self._vectors(texts, asked, purpose="passage")

    async def _queries(self, texts: Sequence[str]) -> list[Vector]:
        return await self._vectors(texts, {"task": "retrieval.query", "truncate": True}, purpose="query")

    async def _vectors(self, texts: Sequence[str], asked: Json, *, purpose: str) -> list[Vector]:
        encoding = self._encoding
        try:
            return await self._jina.post(self._call(texts, asked, encoding, purpose))
        except UnfitError as error:
            if encoding == "float" or not _ABOUT_ENCODING.search(str(error)):
                raise
        self._encoding = "float"
        return await self._jina.post(self._call(texts, asked, "float", purpose))

    def _call(
        self, texts: Sequence[str], asked: Json, encoding: Encoding, purpose: str
    ) -> Call[Embeddings, list[Vector]]:
        body = {
            "model": self.name,
            "input": list(texts),
            "dimensions": self.dimension,
            "normalized": True,
            "embedding_type": encoding,
            **asked,
        }
        return Call(
            path="/embeddings",
            body=body,
            answer=Embeddings,
            read=partial(unit_vectors, texts=len(texts), dimension=self.dimension),
            tokens=sum(map(estimated, texts)),
            purpose=purpose,
            urgent=purpose == "query",
        )


def _readable(text: str) -> str:
    """As the server can take it: lone surrogates count as '?', and nothing at all as a full stop."""
    clean = text.encode("utf-8", "replace").decode()
    return clean if clean.strip("\0 \t\r\n") else _NOTHING


def embedder(settings: Settings, model: str, dimension: int) -> JinaEmbedder:
    """For a collection of ``model``, as the settings reach it."""
    return JinaEmbedder(
        client(settings),
        model,
        dimension,
        batch_limits(settings),
        late_chunking=settings.jina_late_chunking,
    )
