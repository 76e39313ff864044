"""Rerankers: the bundled one, or a model behind an address."""

# ruff: noqa: PLC0415 - each reranker and its runtime are imported only where they are chosen

from rag.ports import Reranker
from rag.settings import Settings


def reranker_for(settings: Settings) -> Reranker:
    """The reranker that the settings choose; its runtime is imported here, not before."""
    match settings.reranked_by:
        case "bundled":
            from workers.embedding.bundled import BundledEmbedder
            from workers.reranking.bundled import BundledReranker

            stored = settings.embedded_by == "bundled"
            return BundledReranker(lambda: BundledEmbedder(settings.model_dir), stored=stored)
        case "jina":
            from workers.reranking import jina

            return jina.reranker(settings)


def unrelated_below(settings: Settings) -> float:
    """When the best relevance is below this, a question is unrelated to the documents.

    Rerankers have different scales, so it is the chosen one's unless MIN_RELEVANCE is set.
    """
    if settings.min_relevance is not None:
        return settings.min_relevance
    match settings.reranked_by:
        case "bundled":
            from workers.reranking.bundled import UNRELATED_BELOW
        case "jina":
            from workers.reranking.jina import UNRELATED_BELOW
    return UNRELATED_BELOW
