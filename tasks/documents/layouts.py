"""A collection's layouts: their embedders, their points, and the store that serves questions.

Points are written to each layout; questions go to the one that serves. Publishing refuses a version that is
not in every layout there is by then (``publish`` of ``registry.lua``), so a layout that begins while a
document is on its way misses nothing.
"""

import logging
from contextlib import suppress

from rag.errors import ModelError, Permanent, UnknownCollection
from rag.model import Chunk, Collection, Embedding, Job, Layout, Passage, Point
from rag.naming import is_store_of, point_id
from rag.ports import Embedder, VectorStore
from rag.settings import Settings
from rag.text import lexical
from rag.text.context import searched_text
from tasks.documents.blob_keys import work_key
from tasks.toolbox import Toolbox

log = logging.getLogger(__name__)


def embedder_for(
    tools: Toolbox, collection: Collection | None, *, fresh: bool = False, tenant: str = ""
) -> Embedder:
    """The embedder of the collection's model; None: of the model that a new collection would get.

    ``fresh``: it uses no cache. ``tenant``: names who shares the cache's entries.
    """
    settings = tools.settings
    if collection is None:
        return tools.embedder(settings.embedding_name, settings.dimension, fresh=fresh, tenant=tenant)
    return tools.embedder(collection.embedding_model, collection.dimension, fresh=fresh, tenant=tenant)


def collection_of(tools: Toolbox, job: Job) -> Collection:
    """The job's collection. UnknownCollection when another generation serves than it was accepted for."""
    return require_generation(job, tools.documents.collection(job.collection))


def require_generation(job: Job, collection: Collection | None) -> Collection:
    """``collection``, which serves now. UnknownCollection unless the job was accepted for it."""
    if collection is None or collection.generation != job.inputs["generation"]:
        raise UnknownCollection(
            f"Collection {job.collection!r} was deleted or replaced while the document was on its way"
        )
    return collection


def embedder_of(tools: Toolbox, layout: Layout, job: Job | None = None) -> Embedder:
    """The embedder of a layout, for texts of ``job``; None: for texts of the service itself.

    ModelError for a model that the settings give no access to.
    """
    tenant = tenant_of(job, tools.settings) if job else ""
    return tools.embedder(layout.embedding_model, layout.dimension, tenant=tenant)


def tenant_of(job: Job, settings: Settings) -> str:
    """Names who shares the caches' entries with the job; "": everybody."""
    match settings.cache_sharing:
        case "all":
            return ""
        case "collection":
            return f"collection {job.collection}"
        case "key":
            return f"key {job.owner}"


def require_room(embedder: Embedder, settings: Settings) -> None:
    """Raise ModelError if passages may be longer than the model reads: no search would find their ends."""
    if embedder.max_tokens < settings.chunk_tokens:
        raise ModelError(
            f"{embedder.name} reads {embedder.max_tokens} tokens of a text, and CHUNK_TOKENS is "
            f"{settings.chunk_tokens}: lower that to {embedder.max_tokens}"
        )


def passage_of(job: Job, title: str, searched_title: str, chunk: Chunk) -> Passage:
    """A chunk as a passage of the document that an ingestion brings."""
    document_id, version = job.inputs["document_id"], job.inputs["version"]
    return Passage(
        chunk_id=point_id(job.collection, document_id, version, chunk.index),
        document_id=document_id,
        version=version,
        index=chunk.index,
        text=chunk.text,
        title=title,
        start=chunk.start,
        end=chunk.end,
        page=chunk.page,
        headings=chunk.headings,
        confidence=chunk.confidence,
        metadata=job.inputs["metadata"],
        searched_title=searched_title,
    )


def point_of(passage: Passage, embedding: Embedding, settings: Settings) -> Point:
    """The lexical search of a passage also counts the words of its context."""
    sparse = lexical.encode_passage(searched_text(passage, settings.context_metadata))
    return Point(passage, embedding.dense, sparse, embedding.tokens)


def vectors_key(job: Job, layout: Layout, start: int) -> str:
    """Key of the embeddings, for one layout, of the slice of chunks that begins at ``start``."""
    return work_key(job, f"vectors-{layout.number}-{start:08}")


def numbers_of(collection: Collection) -> tuple[int, ...]:
    return tuple(layout.number for layout in collection.layouts)


def delete_points(
    vectors: VectorStore,
    collection: Collection,
    document_id: str,
    *,
    below: int | None = None,
    only: int | None = None,
) -> None:
    """Remove a document's points from every layout; the arguments are those of ``VectorStore.delete``."""
    for layout in collection.layouts:
        with suppress(UnknownCollection):  # nothing was written to it yet
            vectors.delete(collection.store_of(layout), document_id, below=below, only=only)


def drop_generation(vectors: VectorStore, collection: str, generation: int) -> None:
    """Drop all layouts of a generation that never comes back."""
    for store in vectors.collections():
        if is_store_of(store, collection, generation):
            vectors.drop(store)


def serving_store(collection: Collection | None) -> str:
    """The store that questions go to; "" without a collection."""
    return collection.store if collection else ""


def point_alias(vectors: VectorStore, collection: Collection) -> None:
    """Let the collection's own name lead to the store that serves, for other readers of the server.

    Aegis itself needs no alias, so a name that is already in use there stops nothing.
    """
    try:
        vectors.alias(collection.name, collection.store)
    except Permanent as error:
        log.warning("other readers of the vector store cannot use the name %s: %s", collection.name, error)
