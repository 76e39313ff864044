"""Rerankers: the bundled ones, or a model behind an address."""

# ruff: noqa: PLC0415 - each reranker and its runtime are imported only where they are chosen

from typing import TYPE_CHECKING

from rag.ports import Reranker
from rag.settings import Settings

if TYPE_CHECKING:
    from workers.reranking.late_interaction import LateInteraction


def reranker_for(settings: Settings) -> Reranker:
    """The reranker that the settings choose; its runtime is imported here, not before."""
    match settings.reranked_by:
        case "bundled":
            from workers.reranking.bundled import BundledReranker
            from workers.reranking.cross_encoder.model import CrossEncoder

            cross_encoder = CrossEncoder(settings.model_dir)
            return BundledReranker(_late_interaction(settings), cross_encoder, settings.context_metadata)
        case "late-interaction":
            from workers.reranking.late_interaction import LateInteractionReranker

            return LateInteractionReranker(_late_interaction(settings))
        case "jina":
            from workers.reranking import jina

            return jina.reranker(settings)


def _late_interaction(settings: Settings) -> "LateInteraction":
    from workers.embedding.bundled import BundledEmbedder
    from workers.reranking.late_interaction import LateInteraction

    return LateInteraction(
        lambda: BundledEmbedder(settings.model_dir),
        stored=settings.embedded_by == "bundled",
        metadata_fields=settings.context_metadata,
    )


def unrelated_below(settings: Settings) -> float:
    """When the best relevance is below this, a question is unrelated to the documents.

    Rerankers have different scales, so it is the chosen one's unless MIN_RELEVANCE is set.
    """
    if settings.min_relevance is not None:
        return settings.min_relevance
    match settings.reranked_by:
        case "bundled":
            from workers.reranking.relevance import UNRELATED_BELOW
        case "late-interaction":
            from workers.reranking.relevance import LATE_UNRELATED_BELOW as UNRELATED_BELOW
        case "jina":
            from workers.reranking.jina import UNRELATED_BELOW
    return UNRELATED_BELOW
