"""Embeddings by a server of Jina's schema, with a task adapter for passages and one for questions.

Late chunking (Günther et al., "Late Chunking", 2024): the server reads the passages of a call as one
text and pools each from the whole, so they have to be a document's, in order, and together within
the model's context. A document over the limits of a call goes in several, each a context of its own.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Literal

from rag.model import Embedding, Json, Vector
from rag.settings import Settings
from workers.jina.answers import Embeddings, unit_vectors
from workers.jina.batches import BatchLimits, batches, call_in_parts
from workers.jina.client import Call, JinaClient, batch_limits, client, wait_for_server
from workers.jina.errors import UnfitError
from workers.loop import gather
from workers.tokens import estimated_tokens

Encoding = Literal["base64", "float"]

_PATIENCE = 30.0  # seconds, for a server that is away when a worker starts
_MAX_TOKENS = 8192
_NOTHING = "."
_ABOUT_ENCODING = re.compile(r"embedding_type|base64", re.IGNORECASE)


class JinaEmbedder:
    """The ``Embedder`` port; gives no token vectors.

    A passage too long for the model is a ModelError, so that nothing is silently left out; a
    question that is too long is cut. Text without any readable character counts as a full stop.
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
        """Names the server, since another one's model of the same name may differ, and the late chunking."""
        context = "" if self.independent else f" late chunking {self._limits.tokens}/{self._limits.texts}"
        return f"{self._jina.server.url}{context}"

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        options: Json = {"task": "retrieval.passage", "truncate": False}
        if not self.independent:
            options["late_chunking"] = True
        return self._embed(texts, options, purpose="passage")

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embed(texts, {"task": "retrieval.query", "truncate": True}, purpose="query")

    def vote(self, question: str) -> float:  # noqa: ARG002 - it may read any language
        return 1.0

    def warm(self) -> None:
        """Embed a text, waiting for a server that is away. ModelError: wrong key, model or size."""
        wait_for_server(lambda: self.embed_queries(["ready"]), patience=_PATIENCE)

    def _embed(self, texts: Sequence[str], options: Json, *, purpose: str) -> list[Embedding]:
        call = partial(self._vectors, options=options, purpose=purpose)
        clean = (text.encode("utf-8", "replace").decode() for text in texts)  # '?' for lone surrogates
        readable = [text if text.strip("\0 \t\r\n") else _NOTHING for text in clean]
        calls = (call_in_parts(batch, call) for batch in batches(readable, self._limits))
        vectors = self._jina.run(gather(calls))
        return [Embedding(vector) for batch in vectors for vector in batch]

    async def _vectors(self, texts: Sequence[str], options: Json, purpose: str) -> list[Vector]:
        """Asks for base64, and from a server that rejects it for floats from then on."""
        encoding = self._encoding
        try:
            return await self._jina.post(self._call(texts, options, encoding, purpose))
        except UnfitError as error:
            if encoding == "float" or not _ABOUT_ENCODING.search(str(error)):
                raise
        self._encoding = "float"
        return await self._jina.post(self._call(texts, options, "float", purpose))

    def _call(
        self, texts: Sequence[str], options: Json, encoding: Encoding, purpose: str
    ) -> Call[Embeddings, list[Vector]]:
        body = {
            "model": self.name,
            "input": list(texts),
            "dimensions": self.dimension,
            "normalized": True,
            "embedding_type": encoding,
            **options,
        }
        return Call(
            path="/embeddings",
            body=body,
            answer=Embeddings,
            read=partial(unit_vectors, texts=len(texts), dimension=self.dimension),
            tokens=sum(map(estimated_tokens, texts)),
            purpose=purpose,
            urgent=purpose == "query",
        )


def embedder(settings: Settings, model: str, dimension: int) -> JinaEmbedder:
    """The embedder for a collection of ``model``, at the server that the settings name."""
    return JinaEmbedder(
        client(settings),
        model,
        dimension,
        batch_limits(settings),
        late_chunking=settings.jina_late_chunking,
    )
