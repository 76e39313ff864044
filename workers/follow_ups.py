"""Which stages of other lanes a worker may go on with."""

from collections.abc import Sequence

from rag.model import Stage
from rag.settings import Settings
from tasks.lanes import Lane

_QUESTION = frozenset((Stage.EMBED_QUERY, Stage.SEARCH, Stage.RERANK, Stage.GENERATE))
_DOCUMENT = frozenset((Stage.PARSE, Stage.EMBED, Stage.INDEX))


def follow_ups_of(lanes: Sequence[Lane], settings: Settings) -> frozenset[Stage]:
    """The stages that a worker of ``lanes`` has everything for: models, access to stores, a pool.

    Each is either one of its lanes', or needs nothing that the lane before it does not use. Questions go on
    with questions, and documents with documents, so that neither delays the other.
    """
    stages = frozenset(stage for lane in lanes for stage in lane.stages)
    found = stages & (_QUESTION | _DOCUMENT) if len(lanes) > 1 else frozenset()
    if Stage.RERANK in stages and settings.answered_by == "extractive":
        found |= {Stage.GENERATE}  # it runs no model: quoting takes milliseconds
    return found
