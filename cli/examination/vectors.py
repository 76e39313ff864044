"""The vector store: the embedded engine, or every node and shard of a Qdrant cluster; and a search in it."""

from collections.abc import Iterator

import numpy as np

from cli.examination.finding import Finding, found, timed
from cli.figures import many
from rag import lexical
from rag.errors import AegisError, UnknownCollection
from rag.model import Collection, SearchQuery
from rag.settings import Settings
from rag.stores.vectors.remote import RemoteVectorStore
from tasks.toolbox import Toolbox

PART = "vectors"
_ENGINE_SECONDS = 5.0


def examine(settings: Settings, tools: Toolbox, *, running: bool) -> Iterator[Finding]:
    """``running``: an API answers, so an embedded engine that is not there is missed."""
    if settings.qdrant_url is None:
        yield _engine(settings, running=running)
    else:
        from cli.examination.qdrant import examine as examine_qdrant  # noqa: PLC0415 - takes half a second

        yield from examine_qdrant(settings)
    if running:
        yield found("search", lambda: _search(tools), "see the vector store, then the broker")


def _engine(settings: Settings, *, running: bool) -> Finding:
    engine = RemoteVectorStore(settings.vector_socket, timeout=_ENGINE_SECONDS)
    try:
        names, ms = timed(engine.collections)
    except AegisError as error:
        if running:
            return Finding(PART, "bad", str(error), "look into the vector engine's log")
        return Finding(PART, "note", "embedded, starts with the stack")
    finally:
        engine.close()
    return Finding(PART, "ok", f"embedded: {len(names)} collections", ms=ms)


def _search(tools: Toolbox) -> Finding:
    collections = tools.documents.collections()
    largest = max(collections, key=lambda collection: collection.chunks, default=None)
    if largest is None:
        return Finding("search", "note", "nothing to search yet", "aegis ingest")
    try:
        hits, ms = timed(lambda: tools.vectors.search(largest.store, _query(largest)))
    except UnknownCollection:
        return Finding("search", "note", f"{largest.name}: nothing was indexed yet", "aegis ingest")
    return Finding(
        "search", "ok", f"{largest.name}, {many(largest.chunks, 'chunk')}: {many(len(hits), 'hit')}", ms=ms
    )


def _query(collection: Collection) -> SearchQuery:
    """Whose vector means nothing: it shows how fast a search is, not how good."""
    dense = np.full(collection.dimension, collection.dimension**-0.5, dtype=np.float32)
    return SearchQuery(dense, lexical.encode_question("What is here?"), limit=10)
