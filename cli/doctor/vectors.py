"""The vector store: the embedded engine, or every node and shard of a Qdrant cluster; and a search."""

from collections.abc import Iterator

import numpy as np

from cli.doctor.finding import Finding, run_check, timed
from cli.units import many
from rag.errors import AegisError, UnknownCollection
from rag.model import SearchQuery
from rag.settings import Settings
from rag.text import lexical
from rag.vectors.edge.client import RemoteVectorStore
from tasks.toolbox import Toolbox

PART = "vectors"
_ENGINE_SECONDS = 5.0


def examine(settings: Settings, tools: Toolbox, *, running: bool) -> Iterator[Finding]:
    """``running``: an API answers, so an embedded engine must be there."""
    if settings.qdrant_url is None:
        yield _check_engine(settings, running=running)
    else:
        from cli.doctor.qdrant import examine as examine_qdrant  # noqa: PLC0415 - loads for half a second

        yield from examine_qdrant(settings)
    if running:
        yield run_check("search", lambda: _check_search(tools), "see the vector store, then the broker")


def _check_engine(settings: Settings, *, running: bool) -> Finding:
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


def _check_search(tools: Toolbox) -> Finding:
    collections = tools.documents.collections()
    largest = max(collections, key=lambda collection: collection.chunks, default=None)
    if largest is None:
        return Finding("search", "note", "nothing to search yet", "aegis ingest")
    # The vector has no meaning: the check shows how fast a search is, not how good.
    dense = np.full(largest.dimension, largest.dimension**-0.5, dtype=np.float32)
    query = SearchQuery(dense, lexical.encode_question("What is here?"), limit=10)
    try:
        hits, ms = timed(lambda: tools.vectors.search(largest.store, query))
    except UnknownCollection:
        return Finding("search", "note", f"{largest.name}: nothing was indexed yet", "aegis ingest")
    text = f"{largest.name}, {many(largest.chunks, 'chunk')}: {many(len(hits), 'hit')}"
    return Finding("search", "ok", text, ms=ms)
