"""Which stages of other lanes a lane's worker may go on with."""

from collections.abc import Iterator

from rag.model import Stage
from rag.settings import Settings
from tasks.app import Lane


def follow_ups_of(lane: Lane, settings: Settings) -> Iterator[Stage]:
    """The stages that need nothing which the lane's worker does not have: no model, and no pool of their own.

    Questions go on with questions and documents with documents, so that neither delays the other.
    """
    stages = set(lane.stages)
    if Stage.EMBED in stages:
        yield Stage.INDEX
    if Stage.EMBED_QUERY in stages and settings.reranked_by == "late-interaction":
        yield from (Stage.SEARCH, Stage.RERANK)  # by the vectors that are stored
    if stages & {Stage.EMBED_QUERY, Stage.RERANK} and settings.answered_by == "extractive":
        yield Stage.GENERATE  # quoting takes milliseconds and runs no model
