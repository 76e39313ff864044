"""Which embedder a collection's passages and questions need."""

from rag.errors import ModelError
from rag.model import Collection, Job
from rag.ports import Embedder
from rag.settings import Settings
from tasks.toolbox import Toolbox


def embedder_for(
    tools: Toolbox, collection: Collection | None, *, fresh: bool = False, tenant: str = ""
) -> Embedder:
    """That of the model which the collection was made with; None: of the one that it would be made with.

    ``fresh``: past the cache. ``tenant``: who shares what is cached.
    """
    settings = tools.settings
    if collection is None:
        return tools.embedder(settings.embedding_name, settings.dimension, fresh=fresh, tenant=tenant)
    return tools.embedder(collection.embedding_model, collection.dimension, fresh=fresh, tenant=tenant)


def tenant_of(job: Job, settings: Settings) -> str:
    """Who shares with the job what the caches keep; "": everybody."""
    match settings.cache_sharing:
        case "all":
            return ""
        case "collection":
            return f"collection {job.collection}"
        case "key":
            return f"key {job.owner}"


def require_room(embedder: Embedder, settings: Settings) -> None:
    """ModelError when passages may be longer than what the model reads: no search would find their ends."""
    if embedder.max_tokens < settings.chunk_tokens:
        raise ModelError(
            f"{embedder.name} reads {embedder.max_tokens} tokens of a text, and CHUNK_TOKENS is "
            f"{settings.chunk_tokens}: lower that to {embedder.max_tokens}"
        )
