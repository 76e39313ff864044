"""Embedders: the bundled model, or one behind an address."""

# ruff: noqa: PLC0415 - each embedder and its runtime are imported only where they are chosen

from typing import TYPE_CHECKING

from rag.errors import ModelError
from rag.settings import Settings
from rag.settings.derived import MULTILINGUAL_EMBEDDING

if TYPE_CHECKING:  # the supervisor imports this package and must not load NumPy
    from rag.ports import Embedder


def embedder_for(settings: Settings, model: str, dimension: int) -> "Embedder":
    """The embedder for the ``model`` of a collection. ModelError when the settings give no access to it."""
    match settings.embedder_of(model):
        case "bundled" if model == MULTILINGUAL_EMBEDDING:
            from workers.embedding.multilingual import MultilingualEmbedder

            return MultilingualEmbedder(settings.model_dir)
        case "bundled":
            from workers.embedding.bundled import BundledEmbedder

            return BundledEmbedder(settings.model_dir)
        case "jina":
            from workers.embedding import jina

            return jina.embedder(settings, model, dimension)
        case "ollama":
            from workers.embedding import ollama

            return ollama.embedder(settings, model, dimension)
        case _:
            raise ModelError(
                f"the collection was embedded by {model} ({dimension} dimensions), which these settings "
                "give no access to: set its address or key, or `aegis reindex` with another model"
            )
