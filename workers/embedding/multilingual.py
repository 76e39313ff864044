"""multilingual-e5-small for the meaning of texts in any language, beside MiniLM's token vectors."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from rag.errors import ModelError
from rag.model import Embedding
from workers.bundled.models import E5
from workers.embedding.bundled import BundledEmbedder
from workers.embedding.e5.model import E5Model
from workers.embedding.minilm import DIMENSION, MAX_TOKENS
from workers.embedding.projection import TOKEN_DIMENSION

VOTE = 3.0
"""Its cosines lie closer together than MiniLM's, and it reads what is asked in every language: measured in
``docs/decisions/0059-multilingual-embedding.md``."""


class MultilingualEmbedder:
    """The ``Embedder`` port on two bundled models.

    Dense vectors are those of multilingual-e5-small. Token vectors are MiniLM's: what reranking and answers
    read of English is what it is with MiniLM alone.
    """

    name = E5.name
    dimension = DIMENSION
    token_dimension = TOKEN_DIMENSION
    max_tokens = MAX_TOKENS
    independent = True

    def __init__(self, model_dir: Path, *, threads: int = 2) -> None:
        """``model_dir``: the folder given to the builds. ``threads``: texts embedded at once."""
        self._model_dir = model_dir
        self._e5 = E5Model(model_dir, threads=threads)
        self._minilm = BundledEmbedder(model_dir, threads=threads)

    @cached_property
    def recipe(self) -> str:
        return f"{self._e5.folder.name} {self._minilm.recipe}"

    def embed_passages(self, texts: Sequence[str]) -> list[Embedding]:
        vectors, made = self._e5.vectors("passage", texts), self._minilm.embed_passages(texts)
        return [replace(each, dense=dense) for each, dense in zip(made, vectors, strict=True)]

    def embed_queries(self, texts: Sequence[str]) -> list[Embedding]:
        vectors, made = self._e5.vectors("query", texts), self._minilm.embed_queries(texts)
        return [replace(each, dense=dense) for each, dense in zip(made, vectors, strict=True)]

    def vote(self, question: str) -> float:  # noqa: ARG002 - it reads every language
        return VOTE

    def warm(self) -> None:
        """Load the models and try them. ModelError when one is not built or its vectors are wrong."""
        self._minilm.warm()
        question = self.embed_queries(["Wo schläft die Katze?"])[0].dense
        close, far = (each.dense for each in self.embed_passages(["A cat sleeps on the sofa.", "利率上升"]))
        if not float(question @ close) > float(question @ far) + 0.1:  # false for NaN too
            raise ModelError(f"{E5.name} answers nonsense: remove {self._model_dir}, then run `aegis setup`")
