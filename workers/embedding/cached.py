"""An embedder that asks its model for what nobody has embedded of late, and for nothing else."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Literal

from rag.artefacts import pack_embedding, unpack_embedding
from rag.errors import NotFound
from rag.model import CacheKind, Embedding
from rag.ports import Cache, Embedder

Model = Callable[[Sequence[str]], list[Embedding]]


class CachedEmbedder:
    """The ``Embedder`` port over another one, with exactly that one's vectors.

    A text is known again by its content, the model and its recipe, whatever document it
    stands in, for the same tenant. What is missing goes to the model in one call, in order, each text
    once. The passages of a model that looks at a call as a whole are known again as a whole.
    """

    def __init__(self, model: Embedder, cache: Cache, tenant: str = "") -> None:
        """``tenant``: who shares what is kept; "": everybody."""
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
        self._keep(dict(zip(keys, embeddings, strict=True)))
        return embeddings

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        return self._embed(self._keys("query", texts), texts, self._model.embed_queries)

    def warm(self) -> None:
        self._model.warm()

    def _embed(self, keys: Sequence[str], texts: Sequence[str], model: Model) -> list[Embedding]:
        """One embedding a text; equal texts have equal ``keys``."""
        known = self._known(list(dict.fromkeys(keys)))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            made = dict(zip(missing, model(list(missing.values())), strict=True))
            self._keep(made)
            known |= made
        return [known[key] for key in keys]

    def _known(self, keys: Sequence[str]) -> dict[str, Embedding]:
        found = self._cache.get(CacheKind.EMBEDDINGS, keys)
        embeddings = ((key, _unpacked(data)) for key, data in found.items())
        return {key: embedding for key, embedding in embeddings if embedding is not None}

    def _keep(self, made: Mapping[str, Embedding]) -> None:
        packed = {key: pack_embedding(embedding) for key, embedding in made.items()}
        self._cache.put(CacheKind.EMBEDDINGS, packed)

    def _keys(self, use: Literal["passage", "query"], texts: Sequence[str]) -> list[str]:
        model = (self.name, str(self.dimension), str(self.independent), self.recipe, use, self._tenant)
        return [_digest(*model, text) for text in texts]


def _digest(*parts: str) -> str:
    """Of all parts, each told apart from the next; lone surrogates count as what they are."""
    digest = sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)
    return digest.hexdigest()


def _unpacked(data: bytes) -> Embedding | None:
    """None for what is damaged, so that it is made again."""
    try:
        return unpack_embedding(data)
    except NotFound:
        return None
