"""One Protocol a role. ``workers.tools`` chooses each implementation by the settings; nothing else does."""

from rag.model import Accepted, Bounds, Taken
from rag.ports.batches import BatchStore
from rag.ports.cache import Cache
from rag.ports.jobs import JobStore, Turn, is_over
from rag.ports.models import (
    Chunker,
    Embedder,
    GenerationRequest,
    Generator,
    Parser,
    Recogniser,
    Reranker,
    RerankRequest,
)
from rag.ports.paging import Window, all_items
from rag.ports.registry import DocumentRegistry
from rag.ports.snapshots import Opened, Snapshots
from rag.ports.stores import BlobStore, VectorStore

__all__ = [
    "Accepted",
    "BatchStore",
    "BlobStore",
    "Bounds",
    "Cache",
    "Chunker",
    "DocumentRegistry",
    "Embedder",
    "GenerationRequest",
    "Generator",
    "JobStore",
    "Opened",
    "Parser",
    "Recogniser",
    "RerankRequest",
    "Reranker",
    "Snapshots",
    "Taken",
    "Turn",
    "VectorStore",
    "Window",
    "all_items",
    "is_over",
]
