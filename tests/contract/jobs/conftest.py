"""The stores that every suite of the job store runs over."""

from pathlib import Path

import pytest
import redis

from rag.blobs.store import ObstoreBlobs
from rag.jobs import DurableJobStore, RedisJobStore
from rag.journal.journal import Journal
from rag.ports import JobStore
from rag.settings import Settings


@pytest.fixture(params=["plain", "kept in a folder", "kept in memory"])
def jobs(request: pytest.FixtureRequest, redis_client: redis.Redis, tmp_path: Path) -> JobStore:
    settings = Settings(journal="all")
    if request.param == "plain":
        return RedisJobStore(redis_client, settings)
    address = "memory:///" if "memory" in request.param else tmp_path.as_uri()
    return DurableJobStore(redis_client, settings, Journal(ObstoreBlobs(address)))
