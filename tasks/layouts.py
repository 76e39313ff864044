"""A collection's layouts at work: points are written to each, questions go to the one that serves.

Publishing refuses a version that is not in every layout there is by then (``publish.lua``), so that
a layout which begins while a document is on its way misses nothing.
"""

import logging
from contextlib import suppress

from rag.errors import Permanent, UnknownCollection
from rag.model import Collection, Job, Layout
from rag.naming import is_store_of
from rag.ports import Embedder, VectorStore
from tasks.embedders import tenant_of
from tasks.keeping import work_key
from tasks.toolbox import Toolbox

log = logging.getLogger(__name__)


def embedder_of(tools: Toolbox, layout: Layout, job: Job | None = None) -> Embedder:
    """For texts of ``job``; None: for what the service asks by itself, which no tenant shares.

    ModelError for a model that the settings give no access to.
    """
    tenant = tenant_of(job, tools.settings) if job else ""
    return tools.embedder(layout.embedding_model, layout.dimension, tenant=tenant)


def vectors_key(job: Job, layout: Layout, start: int) -> str:
    """Blob of the embeddings, for one layout, of the slice of chunks that begins at ``start``."""
    return work_key(job, f"vectors-{layout.number}-{start:08}")


def unembedded(tools: Toolbox, job: Job, collection: Collection) -> bool:
    """Whether a layout was begun since the document of an ingestion was embedded."""
    if collection.second is None:
        return False
    return not all(tools.blobs.exists(vectors_key(job, layout, 0)) for layout in collection.layouts)


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
    """Remove a document's points from every layout, as ``VectorStore.delete`` does from one."""
    for layout in collection.layouts:
        with suppress(UnknownCollection):  # nothing was written to it yet
            vectors.delete(collection.store_of(layout), document_id, below=below, only=only)


def drop_generation(vectors: VectorStore, collection: str, generation: int) -> None:
    """Drop whatever layouts a generation has had; it never comes back."""
    for store in vectors.collections():
        if is_store_of(store, collection, generation):
            vectors.drop(store)


def serving_store(collection: Collection | None) -> str:
    """Which store questions go to; '' without a collection."""
    return collection.store if collection else ""


def point_alias(vectors: VectorStore, collection: Collection) -> None:
    """Have the collection's own name lead to what serves, for other readers of the server.

    Aegis itself needs no alias, so a name that is taken there stops nothing.
    """
    try:
        vectors.alias(collection.name, collection.store)
    except Permanent as error:
        log.warning("other readers of the vector store cannot use the name %s: %s", collection.name, error)
