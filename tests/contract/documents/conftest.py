"""The registries that every suite of the registry runs over."""

from pathlib import Path

import pytest
import redis

from rag.blobs.store import ObstoreBlobs
from rag.journal.journal import Journal
from rag.ports import DocumentRegistry
from rag.registry.durable import DurableDocumentRegistry
from rag.registry.registry import RedisDocumentRegistry
from tests.contract.documents.documentrecords import MODEL


@pytest.fixture(params=["plain", "kept in a folder", "kept in memory"])
def documents(request: pytest.FixtureRequest, redis_client: redis.Redis, tmp_path: Path) -> DocumentRegistry:
    registry = RedisDocumentRegistry(redis_client)
    if request.param != "plain":
        address = "memory:///" if "memory" in request.param else tmp_path.as_uri()
        registry = DurableDocumentRegistry(redis_client, Journal(ObstoreBlobs(address)))
    registry.put_collection("docs", MODEL, 384)
    return registry
