"""Which embedder a collection's passages and questions need."""

from rag.model import Collection
from rag.ports import Embedder
from tasks.toolbox import Toolbox


def embedder_for(tools: Toolbox, collection: Collection | None, *, fresh: bool = False) -> Embedder:
    """That of the model which the collection was made with; None: of the one that it would be made with.

    ``fresh``: past the cache.
    """
    settings = tools.settings
    if collection is None:
        return tools.embedder(settings.embedding_name, settings.dimension, fresh=fresh)
    return tools.embedder(collection.embedding_model, collection.dimension, fresh=fresh)
