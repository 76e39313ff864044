"""An embedder that keeps recent vectors in the cache and asks its model only for the others."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Literal

from rag.errors import NotFound
from rag.model import CacheKind, Embedding
from rag.ports import Cache, Embedder
from tasks.stages.artefacts import pack_embedding, unpack_embedding

Model = Callable[[Sequence[str]], list[Embedding]]


class CachedEmbedder:
    """The ``Embedder`` port over another one, with exactly that one's vectors.

    A text's key is its content, the model, its recipe and the tenant, whatever document it is
    in. Missing texts go to the model in one call, in order, each once. The passages of a model
    that reads a call as a whole are cached as a whole.
    """

    def __init__(self, model: Embedder, cache: Cache, tenant: str = "") -> None:
        """``tenant``: whose texts share cached vectors; "": everybody's."""
        self._model = model
        self._cache = cache
        self._tenant = tenant
        self.name = model.name
        self.dimension = model.dimension
        self.max_tokens = model.max_tokens
        self.independent = model.independent

    @property
    def recipe(self) -> str:
        return self._model.recipe

    @property
    def token_dimension(self) -> int | None:
        return self._model.token_dimension

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        if self.independent:
            return self._embed(self._keys("passage", texts), texts, self._model.embed_passages)
        whole = _digest(*texts)
        keys = self._keys("passage", [f"{place} of {whole}" for place in range(len(texts))])
        known = self._known(keys)
        if len(known) == len(texts):
            return [known[key] for key in keys]
        embeddings = self._model.embed_passages(texts)
        self._save(dict(zip(keys, embeddings, strict=True)))
        return embeddings

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embed(self._keys("query", texts), texts, self._model.embed_queries)

    def vote(self, question: str) -> float:
        return self._model.vote(question)

    def warm(self) -> None:
        self._model.warm()

    def _embed(self, keys: Sequence[str], texts: Sequence[str], model: Model) -> list[Embedding]:
        """One embedding a text; equal texts have equal ``keys``."""
        known = self._known(list(dict.fromkeys(keys)))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            made = dict(zip(missing, model(list(missing.values())), strict=True))
            self._save(made)
            known |= made
        return [known[key] for key in keys]

    def _known(self, keys: Sequence[str]) -> dict[str, Embedding]:
        known = {}
        for key, data in self._cache.get(CacheKind.EMBEDDINGS, keys).items():
            with suppress(NotFound):  # damaged data: embedded again
                known[key] = unpack_embedding(data)
        return known

    def _save(self, made: Mapping[str, Embedding]) -> None:
        packed = {key: pack_embedding(embedding) for key, embedding in made.items()}
        self._cache.put(CacheKind.EMBEDDINGS, packed)

    def _keys(self, use: Literal["passage", "query"], texts: Sequence[str]) -> list[str]:
        model = (self.name, str(self.dimension), str(self.independent), self.recipe, use, self._tenant)
        return [_digest(*model, text) for text in texts]


def _digest(*parts: str) -> str:
    """The digest of all parts, each with its length so that their borders count."""
    digest = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()
